#include "mailauth/arc.h"

#include <stdio.h>

#include "mailauth/results.h"
#include "mailauth/tags.h"

enum member { MEMBER_RESULTS, MEMBER_MESSAGE, MEMBER_SEAL, MEMBERS };

static const char *const member_names[MEMBERS] = {
	[MEMBER_RESULTS] = "ARC-Authentication-Results",
	[MEMBER_MESSAGE] = "ARC-Message-Signature",
	[MEMBER_SEAL] = "ARC-Seal",
};

const char *arc_result_name(enum arc_result r)
{
	static const char *const names[] = {
		[ARC_NONE] = "none",
		[ARC_PASS] = "pass",
		[ARC_FAIL] = "fail",
		[ARC_TEMPERROR] = "temperror",
	};
	return names[r];
}

static const struct field **member_of(struct arc_set *s, enum member m)
{
	return m == MEMBER_RESULTS ? &s->results : m == MEMBER_MESSAGE ? &s->message : &s->seal;
}

/* i=, 1 to 50; 0: none or wrong. The results field is no tag-list: there it stands in front. */
static unsigned read_instance(enum member member, struct span value)
{
	struct tags t;
	struct span i = {0};
	uint64_t n;

	if (member == MEMBER_RESULTS)
		i = results_instance(value, NULL);
	else if (!tags_read(&t, value) || !tags_get(&t, "i", &i))
		return 0;
	return i.n <= 2 && span_u64(i, ARC_SETS_MAX, &n) ? (unsigned)n : 0;
}

/* Puts every ARC field at its place. NULL, or why that does not work. */
static const char *collect(const struct message *m, struct arc_judgement *j)
{
	for (enum member k = 0; k < MEMBERS; k++) {
		const struct field *f;
		unsigned at = 0;
		while ((f = message_find(m, member_names[k], &at))) {
			unsigned i = read_instance(k, f->value);
			const struct field **place = i ? member_of(&j->sets[i - 1], k) : NULL;
			if (!place)
				return "malformed instance";
			if (*place)
				return "two fields of one instance";
			*place = f;
			j->count = i > j->count ? i : j->count;
		}
	}
	for (unsigned i = 0; i < j->count; i++)
		if (!j->sets[i].results || !j->sets[i].message || !j->sets[i].seal)
			return "incomplete set";
	return NULL;
}

/* cv= of every seal: none for the first, then pass (section 5.2, step 3). */
static const char *check_claims(const struct arc_judgement *j)
{
	for (unsigned i = 0; i < j->count; i++) {
		struct signature s;
		const char *why = signature_read(&s, SIGNATURE_ARC_SEAL, j->sets[i].seal);
		if (why)
			return why;
		if (span_eq(s.cv, SPAN_LIT("fail")))
			return "a sealer found the chain broken";
		if (!span_eq(s.cv, i ? SPAN_LIT("pass") : SPAN_LIT("none")))
			return "wrong cv=";
	}
	return NULL;
}

static bool is_present(const struct message *m)
{
	for (enum member k = 0; k < MEMBERS; k++) {
		unsigned at = 0;
		if (message_find(m, member_names[k], &at))
			return true;
	}
	return false;
}

void arc_scan(const struct message *m, struct body *b, struct arc_judgement *j)
{
	struct signature newest;

	*j = (struct arc_judgement){.result = ARC_NONE, .body = -1};
	if (!is_present(m))
		return;
	j->result = ARC_FAIL;
	j->reason = collect(m, j);
	if (!j->reason)
		j->reason = check_claims(j);
	if (!j->reason)
		j->reason = signature_read(
			&j->message, SIGNATURE_ARC_MESSAGE, j->sets[j->count - 1].message);
	if (j->reason) {
		j->count = 0;
		return;
	}
	signature_read(&newest, SIGNATURE_ARC_SEAL, j->sets[j->count - 1].seal);
	memcpy(j->sealer, newest.domain, sizeof(j->sealer));
	j->body = body_want(b, j->message.body_form, j->message.digest, j->message.limit);
}

void arc_ask(struct dns_table *dns, const struct arc_judgement *j)
{
	char name[DNS_NAME_BYTES];
	struct signature s;

	if (j->count && signature_key_name(&j->message, name))
		dns_ask(dns, name, DNS_TXT);
	for (unsigned i = 0; i < j->count; i++)
		if (!signature_read(&s, SIGNATURE_ARC_SEAL, j->sets[i].seal) &&
			signature_key_name(&s, name))
			dns_ask(dns, name, DNS_TXT);
}

static bool is_weak(const struct key *k)
{
	return k->type == KEY_RSA && k->bits < DKIM_KEY_BITS_MIN;
}

static enum arc_result outcome(enum dkim_result key_result)
{
	return key_result == DKIM_TEMPERROR ? ARC_TEMPERROR : ARC_FAIL;
}

/* Step 4: the message as the newest sealer sent it. Body that l= leaves out is not signed. */
static enum arc_result judge_message(const struct dkim_evidence *e, struct arc_judgement *j)
{
	enum dkim_result r;
	const struct key *k = dkim_key(e, &j->message, NULL, &r, &j->reason);
	struct span body = body_digest(e->body, j->body);

	if (!k)
		return outcome(r);
	if (is_weak(k))
		j->reason = DKIM_WEAK_KEY;
	else if (!body.n || body_is_partial(e->body, j->body))
		j->reason = "l= is not the length of the body";
	else if (j->message.expires_at >= 0 && j->message.expires_at < e->now)
		j->reason = "message signature expired";
	else if (signature_verify(&j->message, e->message, k, body, &j->reason) ==
		 SIGNATURE_MATCHES)
		return ARC_PASS;
	return ARC_FAIL;
}

/* Step 6, for one set. before: the sets so far, each field relaxed (section 5.1.1). */
static enum arc_result judge_seal(const struct dkim_evidence *e, struct arc_judgement *j,
	const struct field *field, const struct digest *before)
{
	struct signature s;
	uint8_t hash[DIGEST_BYTES_MAX];
	enum dkim_result r;
	const struct key *k;
	struct digest d;
	size_t n;

	j->reason = signature_read(&s, SIGNATURE_ARC_SEAL, field);
	if (j->reason)
		return ARC_FAIL;
	k = dkim_key(e, &s, NULL, &r, &j->reason);
	if (!k)
		return outcome(r);
	if (is_weak(k)) {
		j->reason = DKIM_WEAK_KEY;
		return ARC_FAIL;
	}
	digest_copy(&d, before);
	canon_field(&d, field, CANON_RELAXED, s.b_room, false);
	n = digest_peek(&d, hash);
	digest_fini(&d);
	return signature_verify_hash(&s, k, span_of(hash, n), &j->reason) == SIGNATURE_MATCHES
		       ? ARC_PASS
		       : ARC_FAIL;
}

/* A failure counts more than what DNS left open. */
static enum arc_result worse(enum arc_result a, enum arc_result b)
{
	return a == ARC_FAIL || b == ARC_PASS ? a : b;
}

void arc_judge(const struct dkim_evidence *e, struct arc_judgement *j)
{
	const struct span whole = {0};
	const char *why = NULL;
	enum arc_result r;
	struct digest d;

	if (!j->count)
		return;
	r = judge_message(e, j);
	digest_init(&d, DIGEST_SHA256); /* both algorithms of ARC hash with it */
	for (unsigned i = 0; i < j->count && r != ARC_FAIL; i++) {
		why = r == ARC_TEMPERROR ? j->reason : NULL;
		canon_field(&d, j->sets[i].results, CANON_RELAXED, whole, true);
		canon_field(&d, j->sets[i].message, CANON_RELAXED, whole, true);
		r = worse(r, judge_seal(e, j, j->sets[i].seal, &d));
		canon_field(&d, j->sets[i].seal, CANON_RELAXED, whole, true);
		if (r == ARC_TEMPERROR && why)
			j->reason = why;
	}
	digest_fini(&d);
	j->result = r;
}

static bool is_listed(const char *domain, char *const *list)
{
	for (; list && *list; list++)
		if (strcmp(*list, domain) == 0)
			return true;
	return false;
}

bool arc_find_voucher(const struct arc_judgement *j, const char *author, char *const *trusted,
	char ret[DOMAIN_BYTES])
{
	for (unsigned i = j->count; i-- > 0;) {
		struct signature s;
		struct span rest;
		if (signature_read(&s, SIGNATURE_ARC_SEAL, j->sets[i].seal) ||
			!is_listed(s.domain, trusted))
			return false;
		results_instance(j->sets[i].results->value, &rest);
		if (!results_pass_dmarc(rest, author))
			continue;
		memcpy(ret, s.domain, DOMAIN_BYTES);
		return true;
	}
	return false;
}
