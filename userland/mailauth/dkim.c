#include "mailauth/dkim.h"

#include <opendkim/dkim.h>
#include <stdio.h>
#include <stdlib.h>

#include "mailauth/tags.h"

/* The library hashes in pieces of this size; it takes no more than an int at once. */
#define BODY_STEP (1u << 20)
/* 34 years of drift: the library's own clock must not decide. More would wrap its check of t=. */
#define ANY_TIME (UINT64_C(1) << 30)
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

static bool key_name(const char *selector, const char *domain, char ret[DNS_NAME_BYTES])
{
	return snprintf(ret, DNS_NAME_BYTES, "%s._domainkey.%s", selector, domain) < DNS_NAME_BYTES;
}

/* q=: without a method that we know the signature is not for us (RFC 6376, section 3.5). */
static bool has_known_query(struct span signature)
{
	struct span q;

	if (!tags_find(signature, "q", &q))
		return true;
	while (q.n) {
		ptrdiff_t colon = span_chr(q, ':');
		struct span method = span_trim(span_take(q, colon < 0 ? q.n : (size_t)colon));
		if (span_caseeq(method, SPAN_LIT("dns/txt")) ||
			span_caseeq(method, SPAN_LIT("dns")))
			return true;
		q = span_skip(q, colon < 0 ? q.n : (size_t)colon + 1);
	}
	return false;
}

/* Reads the names that the key is asked by. NULL, or why there is none. */
static const char *read_signature(struct span value, struct dkim_judgement *j)
{
	struct span d, s;

	if (!tags_find(value, "d", &d) || !domain_read(d, j->domain))
		return "malformed d=";
	if (!tags_find(value, "s", &s) || !domain_read(s, j->selector))
		return "malformed s=";
	return has_known_query(value) ? NULL : "unknown query method";
}

unsigned dkim_scan(struct dns_table *dns, const struct message *m,
	struct dkim_judgement ret[DKIM_SIGNATURES_MAX])
{
	const struct field *f;
	unsigned at = 0, n = 0;

	while (n < DKIM_SIGNATURES_MAX && (f = message_find(m, SIGNATURE_FIELD, &at))) {
		struct dkim_judgement *j = &ret[n++];
		char name[DNS_NAME_BYTES];
		*j = (struct dkim_judgement){.result = DKIM_PERMERROR, .field = f};
		j->reason = read_signature(f->value, j);
		if (!j->reason && key_name(j->selector, j->domain, name))
			dns_ask(dns, name, DNS_TXT);
	}
	return n;
}

static DKIM_CBSTAT key_lookup(DKIM *dkim, DKIM_SIGINFO *sig, u_char *buf, size_t buflen)
{
	struct dns_table *dns = dkim_get_user_context(dkim);
	const char *selector = (const char *)dkim_sig_getselector(sig);
	const char *domain = (const char *)dkim_sig_getdomain(sig);
	const struct dns_answer *a;
	char name[DNS_NAME_BYTES];

	if (!selector || !domain || !key_name(selector, domain, name))
		return DKIM_CBSTAT_NOTFOUND;
	a = dns_ask(dns, name, DNS_TXT);
	if (!a || a->status == DNS_TEMPFAIL)
		return DKIM_CBSTAT_TRYAGAIN;
	/* several records: undefined by RFC 6376, section 3.6.2.2, so none of them counts */
	if (a->count != 1 || a->records[0].n >= buflen || a->records[0].n > DKIM_KEY_BYTES_MAX ||
		memchr(a->records[0].p, 0, a->records[0].n))
		return DKIM_CBSTAT_NOTFOUND;
	memcpy(buf, a->records[0].p, a->records[0].n + 1);
	return DKIM_CBSTAT_CONTINUE;
}

/* Size of key and time are judged by us, after the arithmetic: the library's limits are set out of
 * the way. */
static DKIM_LIB *library_new(void)
{
	u_int flags = DKIM_LIBFLAGS_DELAYSIGPROC, bits = 1;
	uint64_t drift = ANY_TIME;
	DKIM_LIB *lib = dkim_init(NULL, NULL);

	if (!lib)
		return NULL;
	if (dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof(flags)) ==
			DKIM_STAT_OK &&
		dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits, sizeof(bits)) ==
			DKIM_STAT_OK &&
		dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_CLOCKDRIFT, &drift, sizeof(drift)) ==
			DKIM_STAT_OK &&
		dkim_set_key_lookup(lib, key_lookup) == DKIM_STAT_OK)
		return lib;
	dkim_close(lib);
	return NULL;
}

/* The library keeps its own copy; it does not want the line end. usable[i]: it has taken the i-th
 * signature, and its list of signatures has just those, in order. */
static bool feed_header(DKIM *dkim, const struct message *m, bool usable[DKIM_SIGNATURES_MAX])
{
	unsigned signatures = 0;

	for (unsigned i = 0; i < m->count; i++) {
		const struct field *f = &m->fields[i];
		size_t n = (size_t)(f->value.p + f->value.n - f->whole.p);
		bool is_signature = span_caseeq(f->name, SPAN_LIT(SIGNATURE_FIELD));
		bool skip = f->name.n == 0 || memchr(f->whole.p, 0, n);

		if (is_signature && signatures == DKIM_SIGNATURES_MAX)
			continue;
		if (is_signature)
			skip |= !usable[signatures];
		bool taken = !skip && dkim_header(dkim, (u_char *)f->whole.p, n) == DKIM_STAT_OK;
		if (is_signature)
			usable[signatures++] = taken;
	}
	return dkim_eoh(dkim) == DKIM_STAT_OK;
}

static void feed_body(DKIM *dkim, struct span body)
{
	while (body.n) {
		struct span step = span_take(body, BODY_STEP);
		if (dkim_body(dkim, (u_char *)step.p, step.n) != DKIM_STAT_OK)
			return;
		body = span_skip(body, step.n);
	}
}

static enum dkim_result error_result(int error, const char **reason)
{
	*reason = dkim_sig_geterrorstr(error);
	switch (error) {
	case DKIM_SIGERROR_KEYFAIL:
		return DKIM_TEMPERROR;
	case DKIM_SIGERROR_BADSIG:
		return DKIM_FAIL;
	default:
		return DKIM_PERMERROR;
	}
}

/* t= and x= against the caller's clock (RFC 6376, section 3.5). */
static bool is_in_time(struct span signature, int64_t now, const char **reason)
{
	struct span s;
	uint64_t v;

	if (now < 0)
		return true;
	if (tags_find(signature, "x", &s) && span_u64(s, INT64_MAX, &v) && (int64_t)v < now) {
		*reason = "signature expired";
		return false;
	}
	if (tags_find(signature, "t", &s) && span_u64(s, INT64_MAX, &v) &&
		(int64_t)v > now + CLOCK_DRIFT_S) {
		*reason = "signature from the future";
		return false;
	}
	return true;
}

/* Length of the body in the relaxed form (RFC 6376, section 3.4.4). */
static size_t relaxed_length(struct span body)
{
	size_t n = 0, content = 0; /* content: up to the last line that is not empty */

	while (body.n) {
		ptrdiff_t lf = span_chr(body, '\n');
		struct span line = span_take(body, lf < 0 ? body.n : (size_t)lf);
		size_t line_n = 0;
		bool blank = false;

		body = span_skip(body, lf < 0 ? body.n : (size_t)lf + 1);
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		for (size_t i = 0; i < line.n; i++) {
			bool is_wsp = line.p[i] == ' ' || line.p[i] == '\t';
			line_n += is_wsp ? 0 : blank ? 2u : 1u;
			blank = is_wsp;
		}
		n += line_n + 2;
		if (line_n)
			content = n;
	}
	return content;
}

/* In the simple form (section 3.4.3). */
static size_t simple_length(struct span body)
{
	while (body.n >= 4 && memcmp(body.p + body.n - 4, "\r\n\r\n", 4) == 0)
		body.n -= 2;
	if (body.n >= 2 && memcmp(body.p + body.n - 2, "\r\n", 2) == 0)
		return body.n;
	return body.n + 2;
}

/* Is there body that l= left out of the hash? The library's own numbers do not tell when it is
 * relaxed. */
static bool is_partial(DKIM_SIGINFO *sig, struct span signature, struct span body)
{
	dkim_canon_t header, form;
	struct span s;
	uint64_t limit;

	if (!tags_find(signature, "l", &s))
		return false;
	if (!span_u64(s, UINT64_MAX, &limit) ||
		dkim_sig_getcanons(sig, &header, &form) != DKIM_STAT_OK)
		return true;
	return limit < (form == DKIM_CANON_RELAXED ? relaxed_length(body) : simple_length(body));
}

/* RFC 8301: such a signature must not count as valid, however well it matches. */
static bool is_weak(DKIM_SIGINFO *sig, const char **reason)
{
	dkim_alg_t algorithm;
	unsigned bits;

	if (dkim_sig_getsignalg(sig, &algorithm) != DKIM_STAT_OK || algorithm == DKIM_SIGN_RSASHA1)
		*reason = DKIM_WEAK_HASH;
	else if (algorithm == DKIM_SIGN_RSASHA256 &&
		 (dkim_sig_getkeysize(sig, &bits) != DKIM_STAT_OK || bits < DKIM_KEY_BITS_MIN))
		*reason = DKIM_WEAK_KEY;
	else
		return false;
	return true;
}

/* Did the arithmetic come out right? */
static enum dkim_result signature_result(DKIM *dkim, DKIM_SIGINFO *sig, const char **reason)
{
	DKIM_STAT status = DKIM_STAT_OK;
	int error;

	if (!(dkim_sig_getflags(sig) & DKIM_SIGFLAG_PROCESSED))
		status = dkim_sig_process(dkim, sig);
	if (status == DKIM_STAT_CBTRYAGAIN || status == DKIM_STAT_KEYFAIL) {
		*reason = "no answer about the key";
		return DKIM_TEMPERROR;
	}
	error = dkim_sig_geterror(sig);
	if (error != DKIM_SIGERROR_OK && error != DKIM_SIGERROR_UNKNOWN)
		return error_result(error, reason);
	if (!(dkim_sig_getflags(sig) & DKIM_SIGFLAG_PASSED)) {
		*reason = "signature not verified";
		return DKIM_PERMERROR;
	}
	if (dkim_sig_getbh(sig) != DKIM_SIGBH_MATCH) {
		*reason = "body hash does not match";
		return DKIM_FAIL;
	}
	*reason = NULL;
	return DKIM_PASS;
}

static enum dkim_result judge(DKIM *dkim, DKIM_SIGINFO *sig, const struct message *m, int64_t now,
	struct dkim_judgement *j)
{
	struct span signature = j->field->value;
	const char **reason = &j->reason;
	enum dkim_result r = signature_result(dkim, sig, reason);

	if (r != DKIM_PASS)
		return r;
	if (!is_in_time(signature, now, reason) || is_weak(sig, reason))
		return DKIM_PERMERROR;
	if (!is_partial(sig, signature, m->body))
		return DKIM_PASS;
	*reason = "l= leaves a part of the body unsigned";
	return DKIM_POLICY;
}

static void verify(DKIM *dkim, const struct message *m, int64_t now, struct dkim_judgement *list,
	unsigned count)
{
	bool usable[DKIM_SIGNATURES_MAX];
	DKIM_SIGINFO **sigs;
	int n, at = 0;

	for (unsigned i = 0; i < count; i++) {
		usable[i] = !list[i].reason;
		if (usable[i])
			list[i].reason = "malformed signature";
	}
	if (!feed_header(dkim, m, usable))
		return;
	feed_body(dkim, m->body);
	dkim_eom(dkim, NULL); /* its own verdict is about the first signature it likes */
	if (dkim_getsiglist(dkim, &sigs, &n) != DKIM_STAT_OK)
		return;
	for (unsigned i = 0; i < count; i++)
		if (usable[i] && at < n)
			list[i].result = judge(dkim, sigs[at++], m, now, &list[i]);
}

void dkim_verify_all(struct dns_table *dns, const struct message *m, int64_t now,
	struct dkim_judgement *list, unsigned count)
{
	DKIM_LIB *lib = count ? library_new() : NULL;
	DKIM_STAT status;
	DKIM *dkim;

	if (!lib)
		return;
	dkim = dkim_verify(lib, (const u_char *)"message", NULL, &status);
	if (dkim) {
		dkim_set_user_context(dkim, dns);
		verify(dkim, m, now, list, count);
		dkim_free(dkim);
	}
	dkim_close(lib);
}
