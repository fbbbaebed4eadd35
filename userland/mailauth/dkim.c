#include "mailauth/dkim.h"

/* How far a signature may lie in the future: clocks differ. */
#define CLOCK_DRIFT_S 300

#define SIGNATURE_FIELD "DKIM-Signature"

const char *dkim_result_name(enum dkim_result r)
{
	static const char *const names[] = {
		[DKIM_NONE] = "none",
		[DKIM_PASS] = "pass",
		[DKIM_FAIL] = "fail",
		[DKIM_POLICY] = "policy",
		[DKIM_TEMPERROR] = "temperror",
		[DKIM_PERMERROR] = "permerror",
	};
	return names[r];
}

unsigned dkim_scan(
	const struct message *m, struct body *b, struct dkim_judgement ret[DKIM_SIGNATURES_MAX])
{
	const struct field *f;
	unsigned at = 0, n = 0;
	int candidates = 0;

	while (n < DKIM_SIGNATURES_MAX && (f = message_find(m, SIGNATURE_FIELD, &at))) {
		struct dkim_judgement *j = &ret[n++];
		struct signature *s = &j->signature;
		*j = (struct dkim_judgement){.result = DKIM_PERMERROR, .candidate = -1};
		j->reason = signature_read(s, SIGNATURE_DKIM, f);
		if (j->reason)
			continue;
		j->candidate = candidates++;
		j->body = body_want(b, s->body_form, s->digest, s->limit);
	}
	return n;
}

struct verifier *dkim_verifier(
	const struct message *m, const struct dkim_judgement *list, unsigned count)
{
	const struct signature *candidates[DKIM_SIGNATURES_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		if (list[i].candidate >= 0)
			candidates[n++] = &list[i].signature;
	return n ? verifier_new(m, candidates, n) : NULL;
}

void dkim_ask(struct dns_table *dns, const struct dkim_judgement *list, unsigned count)
{
	char name[DNS_NAME_BYTES];

	for (unsigned i = 0; i < count; i++)
		if (!list[i].reason && signature_key_name(&list[i].signature, name))
			dns_ask(dns, name, DNS_TXT);
}

const struct key *dkim_key(const struct dkim_evidence *e, const struct signature *s,
	struct span *ret_record, enum dkim_result *ret_result, const char **ret_why)
{
	char name[DNS_NAME_BYTES];
	const struct dns_answer *a = NULL;
	const struct key *k;

	*ret_result = DKIM_PERMERROR;
	*ret_why = "name of the key too long";
	if (!signature_key_name(s, name))
		return NULL;
	a = dns_ask(e->dns, name, DNS_TXT);
	if (!a || a->status == DNS_TEMPFAIL) {
		*ret_result = DKIM_TEMPERROR;
		*ret_why = "no answer about the key";
		return NULL;
	}
	*ret_why = a->count ? "several key records" : "no key";
	if (a->count != 1)
		return NULL;
	k = key_read(e->keys, a->records[0]);
	*ret_why = k->why;
	if (ret_record)
		*ret_record = a->records[0];
	return k->why ? NULL : k;
}

/* Against the caller's clock (RFC 6376, section 3.5). */
static const char *check_time(const struct signature *s, int64_t now)
{
	if (s->expires_at >= 0 && s->expires_at < now)
		return "signature expired";
	if (s->signed_at > now + CLOCK_DRIFT_S)
		return "signature from the future";
	return NULL;
}

/* RFC 8301: such a signature must not count as valid, however well it matches. */
static const char *check_strength(const struct dkim_judgement *j)
{
	if (j->signature.digest == DIGEST_SHA1)
		return DKIM_WEAK_HASH;
	return j->signature.key_type == KEY_RSA && j->key_bits < DKIM_KEY_BITS_MIN ? DKIM_WEAK_KEY
										   : NULL;
}

static bool has_limit(const struct signature *s)
{
	return s->limit != BODY_WHOLE;
}

/* What can be said before the arithmetic; j->reason when that is all. */
static void prepare(const struct dkim_evidence *e, struct dkim_judgement *j)
{
	const struct signature *s = &j->signature;
	struct span record;
	const struct key *k = dkim_key(e, s, &record, &j->result, &j->reason);

	if (!k)
		return;
	j->result = DKIM_PERMERROR;
	j->is_test = k->is_test;
	j->key_bits = k->bits;
	j->reason = signature_check_key(s, k);
	if (j->reason)
		return;
	if (k->is_strict && s->is_below)
		j->reason = "the key is not for domains below d=";
	else if (has_limit(s) && s->limit > body_length(e->body, s->body_form))
		j->reason = "l= is more than the body";
	else if (!e->verifier)
		j->reason = "out of memory";
	else
		verifier_set_key(e->verifier, (unsigned)j->candidate, record);
}

static enum dkim_result judge(const struct dkim_evidence *e, struct dkim_judgement *j)
{
	const struct signature *s = &j->signature;

	switch (verifier_judge(e->verifier, (unsigned)j->candidate, &j->reason)) {
	case SIGNATURE_UNUSABLE:
		return DKIM_PERMERROR;
	case SIGNATURE_DIFFERS:
		return DKIM_FAIL;
	case SIGNATURE_MATCHES:
		break;
	}
	j->reason = signature_check_body(s, body_digest(e->body, j->body));
	if (j->reason)
		return DKIM_FAIL;
	j->reason = check_time(s, e->now);
	if (!j->reason)
		j->reason = check_strength(j);
	if (j->reason)
		return DKIM_PERMERROR;
	if (!has_limit(s) || s->limit == body_length(e->body, s->body_form))
		return DKIM_PASS;
	j->reason = "l= leaves a part of the body unsigned";
	return DKIM_POLICY;
}

void dkim_judge(const struct dkim_evidence *e, struct dkim_judgement *list, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!list[i].reason)
			prepare(e, &list[i]);
	for (unsigned i = 0; i < count; i++)
		if (!list[i].reason)
			list[i].result = judge(e, &list[i]);
}
