#include "mailauth/evaluate.h"

#include "lib/cleanup.h"
#include "mailauth/from.h"

bool evaluate(struct dns_table *dns, const struct message *m, const struct envelope *e,
	const char *authserv_id, struct evaluation *ret)
{
	struct dmarc_evidence evidence = {.spf = &ret->spf, .dkim = ret->dkim};
	char author[DOMAIN_BYTES];
	const char *refusal = m->is_over ? "header too large" : from_domain(m, author);

	spf_check(dns, e, &ret->spf);
	ret->dkim_count = evidence.dkim_count = dkim_scan(dns, m, ret->dkim);
	if (!refusal)
		dmarc_ask(dns, author, &evidence);
	if (dns_is_open(dns))
		return false;

	dkim_verify_all(dns, m, e->now, ret->dkim, ret->dkim_count);
	if (refusal)
		ret->dmarc = (struct dmarc_judgement){.result = DMARC_PERMERROR,
			.disposition = DISPOSITION_REJECT,
			.reason = refusal};
	else
		dmarc_judge(dns, author, &evidence, &ret->dmarc);
	authres_write(authserv_id, &ret->spf, ret->dkim, ret->dkim_count, &ret->dmarc,
		ret->authentication_results);
	ret->remove_count = authres_find_forged(m, authserv_id, ret->remove);
	return true;
}

static int dkim_to_json(const struct evaluation *e, sd_json_variant **ret)
{
	int r = sd_json_variant_new_array(ret, NULL, 0);

	for (unsigned i = 0; r >= 0 && i < e->dkim_count; i++) {
		const struct dkim_judgement *j = &e->dkim[i];
		r = sd_json_variant_append_arraybo(ret,
			SD_JSON_BUILD_PAIR_STRING("result", dkim_result_name(j->result)),
			SD_JSON_BUILD_PAIR_STRING("domain", j->domain),
			SD_JSON_BUILD_PAIR_STRING("selector", j->selector),
			SD_JSON_BUILD_PAIR_CONDITION(
				!!j->reason, "reason", SD_JSON_BUILD_STRING(j->reason)));
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

int evaluation_to_json(const struct evaluation *e, sd_json_variant **ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *dkim = NULL, *ranges = NULL;
	const struct dmarc_judgement *d = &e->dmarc;
	int r = dkim_to_json(e, &dkim);

	if (r >= 0)
		r = remove_to_json(e, &ranges);
	if (r < 0)
		return r;
	return sd_json_buildo(ret,
		SD_JSON_BUILD_PAIR_OBJECT("spf",
			SD_JSON_BUILD_PAIR_STRING("result", spf_result_name(e->spf.result)),
			SD_JSON_BUILD_PAIR_STRING("domain", e->spf.domain)),
		SD_JSON_BUILD_PAIR_VARIANT("dkim", dkim),
		SD_JSON_BUILD_PAIR_OBJECT("dmarc",
			SD_JSON_BUILD_PAIR_STRING("result", dmarc_result_name(d->result)),
			SD_JSON_BUILD_PAIR_STRING("policy", dmarc_policy_name(d->policy)),
			SD_JSON_BUILD_PAIR_STRING("domain", d->domain),
			SD_JSON_BUILD_PAIR_STRING("disposition", disposition_name(d->disposition)),
			SD_JSON_BUILD_PAIR_CONDITION(
				!!d->reason, "reason", SD_JSON_BUILD_STRING(d->reason))),
		SD_JSON_BUILD_PAIR_STRING("authentication_results", e->authentication_results),
		SD_JSON_BUILD_PAIR_VARIANT("remove", ranges));
}
