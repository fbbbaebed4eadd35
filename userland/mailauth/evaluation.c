/* An evaluation as JSON. */
#include <errno.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "mailauth/evaluate.h"

static void write_known(struct jsonw *w, const char *key, const char *text)
{
	if (text && *text)
		jsonw_str(w, key, text);
}

static void write_spf(struct jsonw *w, const struct spf_judgement *j)
{
	jsonw_object(w, "spf");
	jsonw_str(w, "result", spf_result_name(j->result));
	jsonw_str(w, "domain", j->domain);
	jsonw_str(w, "identity", j->is_helo ? "helo" : "mailfrom");
	write_known(w, "explanation", j->explanation);
	jsonw_end(w);
}

static void write_dkim(struct jsonw *w, const struct dkim_judgement *j)
{
	jsonw_object(w, NULL);
	jsonw_str(w, "result", dkim_result_name(j->result));
	jsonw_str(w, "domain", j->signature.domain);
	jsonw_str(w, "selector", j->signature.selector);
	if (j->key_bits)
		jsonw_u64(w, "key_bits", j->key_bits);
	if (j->is_test)
		jsonw_bool(w, "test", true);
	write_known(w, "reason", j->reason);
	jsonw_end(w);
}

static void write_dmarc(struct jsonw *w, const struct dmarc_judgement *j)
{
	jsonw_object(w, "dmarc");
	jsonw_str(w, "result", dmarc_result_name(j->result));
	jsonw_str(w, "policy", dmarc_policy_name(j->policy));
	jsonw_str(w, "domain", j->domain);
	jsonw_str(w, "disposition", disposition_name(j->disposition));
	if (j->is_test)
		jsonw_bool(w, "test", true);
	write_known(w, "voucher", j->voucher);
	write_known(w, "reason", j->reason);
	jsonw_end(w);
}

static void write_arc(struct jsonw *w, const struct arc_judgement *j)
{
	jsonw_object(w, "arc");
	jsonw_str(w, "result", arc_result_name(j->result));
	jsonw_u64(w, "instances", j->count);
	jsonw_str(w, "sealer", j->sealer);
	write_known(w, "reason", j->reason);
	jsonw_end(w);
}

static void write_remove(struct jsonw *w, const struct evaluation *e)
{
	jsonw_array(w, "remove");
	for (unsigned i = 0; i < e->remove_count; i++) {
		jsonw_array(w, NULL);
		jsonw_u64(w, NULL, e->remove[i].offset);
		jsonw_u64(w, NULL, e->remove[i].length);
		jsonw_end(w);
	}
	jsonw_end(w);
}

void evaluation_write(struct jsonw *w, const char *key, const struct evaluation *e)
{
	jsonw_object(w, key);
	write_spf(w, &e->spf);
	jsonw_array(w, "dkim");
	for (unsigned i = 0; i < e->dkim_count; i++)
		write_dkim(w, &e->dkim[i]);
	jsonw_end(w);
	write_dmarc(w, &e->dmarc);
	write_arc(w, &e->arc);
	jsonw_object(w, "from");
	jsonw_str(w, "domain", e->from.domain);
	jsonw_str(w, "address", e->from.address);
	jsonw_str(w, "display_name", e->from.display_name);
	jsonw_end(w);
	write_known(w, "refusal", e->refusal);
	jsonw_str(w, "authentication_results", e->authentication_results);
	write_remove(w, e);
	jsonw_end(w);
}

int evaluation_to_json(const struct evaluation *e, sd_json_variant **ret)
{
	_cleanup_free_ char *buf = malloc(EVALUATION_BYTES);
	struct jsonw w;

	if (!buf)
		return -ENOMEM;
	jsonw_init(&w, buf, EVALUATION_BYTES);
	evaluation_write(&w, NULL, e);
	if (!jsonw_done(&w).n)
		return -EMSGSIZE;
	return sd_json_parse(buf, 0, ret, NULL, NULL);
}
