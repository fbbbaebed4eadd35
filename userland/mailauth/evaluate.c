#include "mailauth/evaluate.h"

#include <stdlib.h>

struct evaluator {
	struct evaluate_request request;
	struct message message;
	struct body *body;
	struct verifier *verifier;
	bool is_read; /* the body, to its end */
	bool has_asked;
	struct evaluation result;
};

struct evaluator *evaluator_new(const struct evaluate_request *request)
{
	struct evaluator *v = calloc(1, sizeof(*v));
	struct evaluation *e;

	if (!v)
		return NULL;
	e = &v->result;
	v->request = *request;
	message_read(&v->message, request->bytes);
	v->body = body_new(v->message.body);
	e->remove = calloc(v->message.count + 1, sizeof(*e->remove));
	if (!v->body || !e->remove) {
		evaluator_free(v);
		return NULL;
	}
	e->refusal = v->message.is_over ? "header too large" : from_read(&v->message, &e->from);
	e->spf.result = SPF_MORE;
	e->dkim_count = dkim_scan(&v->message, v->body, e->dkim);
	v->verifier = dkim_verifier(&v->message, e->dkim, e->dkim_count);
	arc_scan(&v->message, v->body, &e->arc);
	return v;
}

void evaluator_free(struct evaluator *v)
{
	if (!v)
		return;
	free(v->result.remove);
	verifier_free(v->verifier);
	body_free(v->body);
	message_free(&v->message);
	free(v);
}

bool evaluator_read(struct evaluator *v, size_t bytes)
{
	if (!v->is_read) {
		bool is_verified = !v->verifier || verifier_read(v->verifier, bytes);
		v->is_read = body_step(v->body, bytes) && is_verified;
	}
	return v->is_read;
}

const struct evaluation *evaluator_result(const struct evaluator *v)
{
	return &v->result;
}

static void refuse(struct evaluation *e)
{
	e->dmarc = (struct dmarc_judgement){
		.result = DMARC_PERMERROR, .disposition = DISPOSITION_REJECT, .reason = e->refusal};
}

/* A trusted sealer's word against DMARC's failure; while the chain waits for DNS, so does the mail.
 */
static void ask_sealers(const struct evaluator *v, struct evaluation *e)
{
	struct dmarc_judgement *d = &e->dmarc;
	char sealer[DOMAIN_BYTES];

	if (d->result != DMARC_FAIL || d->disposition == DISPOSITION_NONE ||
		(e->arc.result != ARC_PASS && e->arc.result != ARC_TEMPERROR) ||
		!arc_find_voucher(&e->arc, d->domain, v->request.judge->trusted_sealers, sealer))
		return;
	if (e->arc.result == ARC_TEMPERROR) {
		d->result = DMARC_TEMPERROR;
		d->disposition = DISPOSITION_TEMPERROR;
		d->reason = "no answer about the key of a trusted sealer";
		return;
	}
	d->disposition = DISPOSITION_NONE;
	memcpy(d->voucher, sealer, sizeof(d->voucher));
}

static void judge(struct evaluator *v, struct dns_table *dns)
{
	struct evaluation *e = &v->result;
	const struct dmarc_evidence passed = {&e->spf, e->dkim, e->dkim_count};
	const struct dkim_evidence evidence = {.dns = dns,
		.message = &v->message,
		.body = v->body,
		.keys = v->request.judge->keys,
		.now = v->request.envelope.now,
		.verifier = v->verifier};

	dkim_judge(&evidence, e->dkim, e->dkim_count);
	arc_judge(&evidence, &e->arc);
	if (e->refusal)
		refuse(e);
	else
		dmarc_judge(dns, e->from.domain, &passed, &e->dmarc);
	ask_sealers(v, e);
	authres_write(v->request.authserv_id,
		&(struct authres){&e->spf, e->dkim, e->dkim_count, &e->arc, &e->dmarc},
		e->authentication_results);
	e->remove_count = results_find_forged(&v->message, v->request.authserv_id, e->remove);
}

enum evaluate_state evaluator_step(struct evaluator *v, struct dns_table *dns)
{
	struct evaluation *e = &v->result;
	const struct dmarc_evidence evidence = {&e->spf, e->dkim, e->dkim_count};

	if (!v->has_asked) {
		dkim_ask(dns, e->dkim, e->dkim_count);
		arc_ask(dns, &e->arc);
		v->has_asked = true;
	}
	if (e->spf.result == SPF_MORE)
		spf_check(dns, &v->request.envelope, &e->spf);
	if (!e->refusal)
		dmarc_ask(dns, e->from.domain, &evidence);
	if (dns_is_open(dns))
		return EVALUATE_ASK;
	if (!v->is_read)
		return EVALUATE_READ;
	judge(v, dns);
	return EVALUATE_DONE;
}
