#include "mailauth/verifier.h"

#include <opendkim/dkim.h>
#include <stdlib.h>

/* The library takes no more than an int at once. */
#define STEP_MAX (1u << 20)
/* 34 years: the library's own clock must not decide. More would wrap its check of t=. */
#define ANY_TIME (UINT64_C(1) << 30)

#define SIGNATURE_FIELD "DKIM-Signature"

struct candidate {
	const struct signature *signature;
	bool is_taken;      /* by the library */
	DKIM_SIGINFO *info; /* its view of it */
	struct span key;
	const char *why; /* it cannot be verified */
};

struct verifier {
	const struct message *message;
	DKIM *dkim;
	size_t at; /* of the body */
	bool is_read;
	bool wants_body;
	bool is_ended;
	unsigned count;
	struct candidate list[VERIFIER_SIGNATURES_MAX];
};

static DKIM_CBSTAT look_up(DKIM *dkim, DKIM_SIGINFO *info, u_char *buf, size_t size)
{
	const struct verifier *v = dkim_get_user_context(dkim);

	for (unsigned i = 0; i < v->count; i++) {
		struct span key = v->list[i].key;
		if (v->list[i].info != info || !key.n || key.n >= size || memchr(key.p, 0, key.n))
			continue;
		memcpy(buf, key.p, key.n);
		buf[key.n] = 0;
		return DKIM_CBSTAT_CONTINUE;
	}
	return DKIM_CBSTAT_NOTFOUND;
}

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
		dkim_set_key_lookup(lib, look_up) == DKIM_STAT_OK)
		return lib;
	dkim_close(lib);
	return NULL;
}

/* Made at the first signature, and kept: it holds nothing of any message. */
static DKIM_LIB *library(void)
{
	static DKIM_LIB *lib;

	if (!lib)
		lib = library_new();
	return lib;
}

static struct candidate *candidate_of(struct verifier *v, const struct field *f)
{
	for (unsigned i = 0; i < v->count; i++)
		if (v->list[i].signature->field == f)
			return &v->list[i];
	return NULL;
}

/* A field that the library does not see: who signed its name cannot be judged. */
static void withhold(struct verifier *v, const struct field *f)
{
	for (unsigned i = 0; i < v->count; i++)
		if (v->list[i].signature->field == f ||
			signature_names(v->list[i].signature, f->name))
			v->list[i].why = "h= names a field that cannot be verified";
}

/* The library wants no line end after the field. */
static bool feed_field(struct verifier *v, const struct field *f)
{
	size_t n = (size_t)(f->value.p + f->value.n - f->whole.p);
	bool is_signature = span_caseeq(f->name, SPAN_LIT(SIGNATURE_FIELD));
	struct candidate *c = is_signature ? candidate_of(v, f) : NULL;

	if (!f->name.n || memchr(f->whole.p, 0, n) || (is_signature && !c) ||
		dkim_header(v->dkim, (u_char *)f->whole.p, n) != DKIM_STAT_OK)
		return false;
	if (c)
		c->is_taken = true;
	return true;
}

static bool is_same(DKIM_SIGINFO *info, const struct signature *s)
{
	const char *domain = (const char *)dkim_sig_getdomain(info);
	const char *selector = (const char *)dkim_sig_getselector(info);

	return domain && selector && span_caseeq(span_str(domain), span_str(s->domain)) &&
	       span_caseeq(span_str(selector), span_str(s->selector));
}

/* The library lists the signatures that it has taken in the order of their fields; a list of
 * another length tells nothing. */
static void find_candidates(struct verifier *v)
{
	DKIM_SIGINFO **infos;
	int n = 0, taken = 0, at = 0;

	for (unsigned i = 0; i < v->count; i++)
		taken += v->list[i].is_taken;
	if (dkim_getsiglist(v->dkim, &infos, &n) != DKIM_STAT_OK || n != taken)
		n = 0;
	for (unsigned i = 0; i < v->count; i++) {
		struct candidate *c = &v->list[i];
		if (c->is_taken && at < n && is_same(infos[at], c->signature))
			c->info = infos[at];
		else
			c->why = "malformed signature";
		at += c->is_taken;
	}
}

static bool feed_header(struct verifier *v)
{
	const struct message *m = v->message;

	for (unsigned i = 0; i < m->count; i++)
		if (!feed_field(v, &m->fields[i]))
			withhold(v, &m->fields[i]);
	if (dkim_eoh(v->dkim) != DKIM_STAT_OK)
		return false;
	find_candidates(v);
	return true;
}

struct verifier *verifier_new(
	const struct message *m, const struct signature *const *signatures, unsigned count)
{
	struct verifier *v = calloc(1, sizeof(*v));
	DKIM_LIB *lib = library();
	DKIM_STAT status;

	if (!v)
		return NULL;
	v->message = m;
	for (unsigned i = 0; i < count && i < VERIFIER_SIGNATURES_MAX; i++) {
		v->list[v->count++].signature = signatures[i];
		v->wants_body |= signatures[i]->limit != BODY_WHOLE;
	}
	v->dkim = lib ? dkim_verify(lib, (const u_char *)"message", NULL, &status) : NULL;
	if (!v->dkim || dkim_set_user_context(v->dkim, v) != DKIM_STAT_OK || !feed_header(v)) {
		verifier_free(v);
		return NULL;
	}
	return v;
}

void verifier_free(struct verifier *v)
{
	if (!v)
		return;
	if (v->dkim)
		dkim_free(v->dkim);
	free(v);
}

/* Without its body no signature matches: what the library does not take fails closed. */
static void feed_body(struct verifier *v, struct span s)
{
	while (s.n) {
		struct span step = span_take(s, s.n < STEP_MAX ? s.n : STEP_MAX);
		dkim_body(v->dkim, (u_char *)step.p, step.n);
		s = span_skip(s, step.n);
	}
}

/* The last line gets an end (RFC 6376, section 3.4): the library gives it one only if the whole
 * body came in one piece, and to the simple form alone. */
static void end_line(struct verifier *v, struct span body)
{
	if (body.n && (body.n < 2 || memcmp(body.p + body.n - 2, "\r\n", 2) != 0))
		feed_body(v, SPAN_LIT("\r\n"));
}

bool verifier_read(struct verifier *v, size_t bytes)
{
	struct span body = v->message->body, rest = span_skip(body, v->at);

	if (v->is_read || !v->wants_body)
		return true;
	rest = span_take(rest, bytes < rest.n ? bytes : rest.n);
	feed_body(v, rest);
	v->at += rest.n;
	v->is_read = v->at == body.n;
	if (v->is_read)
		end_line(v, body);
	return v->is_read;
}

void verifier_set_key(struct verifier *v, unsigned signature, struct span record)
{
	v->list[signature].key = record;
}

/* The library's own verdict is about the first signature that it likes; ours are asked one by one.
 */
static void end(struct verifier *v)
{
	for (unsigned i = 0; i < v->count; i++)
		if (v->list[i].info && (v->list[i].why || !v->list[i].key.n))
			dkim_sig_ignore(v->list[i].info);
	dkim_eom(v->dkim, NULL);
	v->is_ended = true;
}

enum signature_outcome verifier_judge(struct verifier *v, unsigned signature, const char **ret_why)
{
	struct candidate *c = &v->list[signature];
	bool passed;
	int error;

	if (!v->is_ended)
		end(v);
	*ret_why = !c->why && !c->key.n ? "no key" : c->why;
	if (*ret_why)
		return SIGNATURE_UNUSABLE;
	if (!(dkim_sig_getflags(c->info) & DKIM_SIGFLAG_PROCESSED))
		dkim_sig_process(v->dkim, c->info);
	error = dkim_sig_geterror(c->info);
	passed = dkim_sig_getflags(c->info) & DKIM_SIGFLAG_PASSED;
	/* That of a signature that has passed is about the body, of which the library has none. */
	if (error == DKIM_SIGERROR_BADSIG) {
		*ret_why = passed ? NULL : "signature does not match";
		return passed ? SIGNATURE_MATCHES : SIGNATURE_DIFFERS;
	}
	if (error != DKIM_SIGERROR_OK && error != DKIM_SIGERROR_UNKNOWN) {
		*ret_why = dkim_sig_geterrorstr(error);
		return SIGNATURE_UNUSABLE;
	}
	*ret_why = passed ? NULL : "signature cannot be verified";
	return passed ? SIGNATURE_MATCHES : SIGNATURE_UNUSABLE;
}
