/* An evaluation as JSON. */
#include "lib/cleanup.h"
#include "mailauth/evaluate.h"

#define IF_TEXT(key, text) \
	SD_JSON_BUILD_PAIR_CONDITION(has_text(text), key, SD_JSON_BUILD_STRING(text))

static bool has_text(const char *text)
{
	return text && *text;
}

static int dkim_to_json(const struct evaluation *e, sd_json_variant **ret)
{
	int r = sd_json_variant_new_array(ret, NULL, 0);

	for (unsigned i = 0; r >= 0 && i < e->dkim_count; i++) {
		const struct dkim_judgement *j = &e->dkim[i];
		r = sd_json_variant_append_arraybo(ret,
			SD_JSON_BUILD_PAIR_STRING("result", dkim_result_name(j->result)),
			SD_JSON_BUILD_PAIR_STRING("domain", j->signature.domain),
			SD_JSON_BUILD_PAIR_STRING("selector", j->signature.selector),
			SD_JSON_BUILD_PAIR_CONDITION(
				j->key_bits > 0, "key_bits", SD_JSON_BUILD_UNSIGNED(j->key_bits)),
			SD_JSON_BUILD_PAIR_CONDITION(
				j->is_test, "test", SD_JSON_BUILD_BOOLEAN(true)),
			IF_TEXT("reason", j->reason));
	}
	return r;
}

static int remove_to_json(const struct evaluation *e, sd_json_variant **ret)
{
	int r = sd_json_variant_new_array(ret, NULL, 0);

	for (unsigned i = 0; r >= 0 && i < e->remove_count; i++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *pair = NULL;
		r = sd_json_build(
			&pair, SD_JSON_BUILD_ARRAY(SD_JSON_BUILD_UNSIGNED(e->remove[i].offset),
				       SD_JSON_BUILD_UNSIGNED(e->remove[i].length)));
		if (r >= 0)
			r = sd_json_variant_append_array(ret, pair);
	}
	return r;
}

static int arc_to_json(const struct arc_judgement *j, sd_json_variant **ret)
{
	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_STRING("result", arc_result_name(j->result)),
		SD_JSON_BUILD_PAIR_UNSIGNED("instances", j->count),
		SD_JSON_BUILD_PAIR_STRING("sealer", j->sealer), IF_TEXT("reason", j->reason));
}

static int dmarc_to_json(const struct dmarc_judgement *d, sd_json_variant **ret)
{
	return sd_json_buildo(ret,
		SD_JSON_BUILD_PAIR_STRING("result", dmarc_result_name(d->result)),
		SD_JSON_BUILD_PAIR_STRING("policy", dmarc_policy_name(d->policy)),
		SD_JSON_BUILD_PAIR_STRING("domain", d->domain),
		SD_JSON_BUILD_PAIR_STRING("disposition", disposition_name(d->disposition)),
		SD_JSON_BUILD_PAIR_CONDITION(d->is_test, "test", SD_JSON_BUILD_BOOLEAN(true)),
		IF_TEXT("voucher", d->voucher), IF_TEXT("reason", d->reason));
}

int evaluation_to_json(const struct evaluation *e, sd_json_variant **ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *dkim = NULL, *ranges = NULL, *arc = NULL,
							  *dmarc = NULL;
	int r = dkim_to_json(e, &dkim);

	if (r >= 0)
		r = remove_to_json(e, &ranges);
	if (r >= 0)
		r = arc_to_json(&e->arc, &arc);
	if (r >= 0)
		r = dmarc_to_json(&e->dmarc, &dmarc);
	if (r < 0)
		return r;
	return sd_json_buildo(ret,
		SD_JSON_BUILD_PAIR_OBJECT("spf",
			SD_JSON_BUILD_PAIR_STRING("result", spf_result_name(e->spf.result)),
			SD_JSON_BUILD_PAIR_STRING("domain", e->spf.domain),
			SD_JSON_BUILD_PAIR_STRING("identity", e->spf.is_helo ? "helo" : "mailfrom"),
			IF_TEXT("explanation", e->spf.explanation)),
		SD_JSON_BUILD_PAIR_VARIANT("dkim", dkim),
		SD_JSON_BUILD_PAIR_VARIANT("dmarc", dmarc), SD_JSON_BUILD_PAIR_VARIANT("arc", arc),
		SD_JSON_BUILD_PAIR_OBJECT("from",
			SD_JSON_BUILD_PAIR_STRING("domain", e->from.domain),
			SD_JSON_BUILD_PAIR_STRING("address", e->from.address),
			SD_JSON_BUILD_PAIR_STRING("display_name", e->from.display_name)),
		IF_TEXT("refusal", e->refusal),
		SD_JSON_BUILD_PAIR_STRING("authentication_results", e->authentication_results),
		SD_JSON_BUILD_PAIR_VARIANT("remove", ranges));
}
