#include "mailauth/signature.h"

#include <openssl/rsa.h>
#include <stdio.h>

#include "mailauth/base64.h"
#include "mailauth/tags.h"

static const struct {
	const char *name;
	enum key_type key_type;
	enum digest_kind digest;
} algorithms[] = {
	{"rsa-sha256", KEY_RSA, DIGEST_SHA256},
	{"ed25519-sha256", KEY_ED25519, DIGEST_SHA256},
	{"rsa-sha1", KEY_RSA, DIGEST_SHA1},
};

static const char *read_algorithm(struct signature *s, const struct tags *t)
{
	struct span a;

	if (!tags_get(t, "a", &a))
		return "no a=";
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(*algorithms); i++) {
		if (!span_eq(a, span_str(algorithms[i].name)))
			continue;
		s->key_type = algorithms[i].key_type;
		s->digest = algorithms[i].digest;
		return NULL;
	}
	return "unknown algorithm";
}

static bool read_form(struct span word, enum canon *ret)
{
	*ret = span_eq(word, SPAN_LIT("relaxed")) ? CANON_RELAXED : CANON_SIMPLE;
	return *ret == CANON_RELAXED || span_eq(word, SPAN_LIT("simple"));
}

/* "header/body"; the body's form is simple when left out. Without c= both are, but for ARC, whose
 * sealers have taken relaxed for the default. */
static const char *read_forms(struct signature *s, enum signature_kind kind, const struct tags *t)
{
	struct span c;

	s->header_form = s->body_form = kind == SIGNATURE_DKIM ? CANON_SIMPLE : CANON_RELAXED;
	if (!tags_get(t, "c", &c))
		return NULL;
	s->body_form = CANON_SIMPLE;
	ptrdiff_t slash = span_chr(c, '/');
	size_t n = slash < 0 ? c.n : (size_t)slash;
	if (!read_form(span_take(c, n), &s->header_form) ||
		(slash >= 0 && !read_form(span_skip(c, n + 1), &s->body_form)))
		return "unknown canonical form";
	return NULL;
}

/* Base64 of at least one byte and at most size, or of exactly that many. */
static bool is_base64(struct span value, size_t size, bool is_exact)
{
	char text[2 * SIGNATURE_BYTES_MAX];
	uint8_t data[SIGNATURE_BYTES_MAX];
	ptrdiff_t n;

	if (!tags_compact(value, text, sizeof(text)))
		return false;
	n = base64_decode(span_str(text), data, size);
	return n > 0 && (!is_exact || (size_t)n == size);
}

static const char *read_values(struct signature *s, const struct tags *t, bool has_body)
{
	for (unsigned i = 0; i < t->count; i++)
		if (span_eq(t->list[i].name, SPAN_LIT("b")))
			s->b_room = t->list[i].room;
	if (!tags_get(t, "b", &s->b) || !is_base64(s->b, SIGNATURE_BYTES_MAX, false))
		return "malformed b=";
	if (has_body &&
		(!tags_get(t, "bh", &s->bh) || !is_base64(s->bh, digest_bytes(s->digest), true)))
		return "malformed bh=";
	return NULL;
}

static const char *read_names(struct signature *s, const struct tags *t)
{
	struct span d, name;

	if (!tags_get(t, "d", &d) || !domain_read(d, s->domain))
		return "malformed d=";
	if (!tags_get(t, "s", &name) || !domain_read(name, s->selector))
		return "malformed s=";
	return NULL;
}

/* The domain of i=, which is quoted-printable, is d= or below it. The local part may hold anything,
 * an @ among it. */
static const char *read_agent(struct signature *s, const struct tags *t)
{
	char text[4 * DOMAIN_BYTES], domain[DOMAIN_BYTES];
	struct span i;
	size_t n;

	if (!tags_get(t, "i", &i))
		return NULL;
	if (!tags_unquote(i, text, sizeof(text), &n))
		return "malformed i=";
	const char *at = memrchr(text, '@', n);
	if (!at || !domain_read(span_of(at + 1, n - (size_t)(at + 1 - text)), domain) ||
		!domain_is_within(domain, s->domain))
		return "i= is not within d=";
	s->is_below = strcmp(domain, s->domain) != 0;
	return NULL;
}

static bool read_time(const struct tags *t, const char *name, int64_t *ret)
{
	struct span v;
	uint64_t seconds;

	*ret = -1;
	if (!tags_get(t, name, &v))
		return true;
	if (!span_u64(v, INT64_MAX, &seconds))
		return false;
	*ret = (int64_t)seconds;
	return true;
}

static const char *read_times(struct signature *s, const struct tags *t)
{
	if (!read_time(t, "t", &s->signed_at))
		return "malformed t=";
	if (!read_time(t, "x", &s->expires_at))
		return "malformed x=";
	if (s->signed_at >= 0 && s->expires_at >= 0 && s->expires_at <= s->signed_at)
		return "x= is not after t=";
	return NULL;
}

/* The next name of h=; false at the end. An empty name is one that no field has. */
static bool name_next(struct span *rest, bool *first, struct span *ret)
{
	if (!rest->n && !*first)
		return false;
	ptrdiff_t colon = span_chr(*rest, ':');
	size_t n = colon < 0 ? rest->n : (size_t)colon;
	*ret = span_trim(span_take(*rest, n));
	*first = colon >= 0; /* a last, empty name follows a colon at the end */
	*rest = span_skip(*rest, colon < 0 ? n : n + 1);
	return true;
}

static const char *check_names(struct span names, enum signature_kind kind)
{
	bool first = true, has_from = false;
	struct span name;
	unsigned n = 0;

	while (name_next(&names, &first, &name)) {
		if (++n > SIGNATURE_NAMES_MAX)
			return "too many names in h=";
		has_from |= span_caseeq(name, SPAN_LIT("From"));
		if (kind == SIGNATURE_ARC_MESSAGE && span_caseeq(name, SPAN_LIT("ARC-Seal")))
			return "h= names ARC-Seal";
	}
	return kind == SIGNATURE_DKIM && !has_from ? "From is not signed" : NULL;
}

bool signature_names(const struct signature *s, struct span name)
{
	struct span rest = s->names, one;
	bool first = true;

	while (name_next(&rest, &first, &one))
		if (one.n && span_caseeq(one, name))
			return true;
	return false;
}

/* Without a query method that we know the signature is not for us. */
static bool has_known_query(const struct tags *t)
{
	struct span q;

	if (!tags_get(t, "q", &q))
		return true;
	while (q.n) {
		ptrdiff_t colon = span_chr(q, ':');
		struct span method = span_trim(span_take(q, colon < 0 ? q.n : (size_t)colon));
		if (span_eq(method, SPAN_LIT("dns/txt")) || span_eq(method, SPAN_LIT("dns")))
			return true;
		q = span_skip(q, colon < 0 ? q.n : (size_t)colon + 1);
	}
	return false;
}

static const char *read_body_part(
	struct signature *s, enum signature_kind kind, const struct tags *t)
{
	const char *why = read_forms(s, kind, t);
	struct span v;

	if (!why && !tags_get(t, "h", &s->names))
		why = "no h=";
	if (!why)
		why = check_names(s->names, kind);
	s->limit = BODY_WHOLE;
	if (!why && tags_get(t, "l", &v) && !span_u64(v, BODY_WHOLE - 1, &s->limit))
		why = "malformed l=";
	return why;
}

static const char *read_dkim(struct signature *s, const struct tags *t)
{
	struct span v;

	if (!tags_get(t, "v", &v) || !span_eq(v, SPAN_LIT("1")))
		return "unknown version";
	if (!has_known_query(t))
		return "unknown query method";
	return read_agent(s, t);
}

static const char *read_seal(struct signature *s, const struct tags *t)
{
	s->header_form = CANON_RELAXED;
	if (tags_get(t, "h", NULL))
		return "a seal has no h=";
	return tags_get(t, "cv", &s->cv) ? NULL : "no cv=";
}

const char *signature_read(struct signature *s, enum signature_kind kind, const struct field *f)
{
	struct tags t;
	const char *why;

	*s = (struct signature){.field = f, .limit = BODY_WHOLE, .signed_at = -1, .expires_at = -1};
	if (!tags_read(&t, f->value))
		return "malformed signature";
	why = read_names(s, &t);
	if (!why)
		why = read_algorithm(s, &t);
	if (!why && kind != SIGNATURE_DKIM && s->digest == DIGEST_SHA1)
		why = "unknown algorithm";
	if (!why)
		why = read_values(s, &t, kind != SIGNATURE_ARC_SEAL);
	if (!why)
		why = read_times(s, &t);
	if (!why && kind != SIGNATURE_ARC_SEAL)
		why = read_body_part(s, kind, &t);
	if (!why && kind == SIGNATURE_DKIM)
		why = read_dkim(s, &t);
	if (!why && kind == SIGNATURE_ARC_SEAL)
		why = read_seal(s, &t);
	return why;
}

bool signature_key_name(const struct signature *s, char ret[DNS_NAME_BYTES])
{
	return snprintf(ret, DNS_NAME_BYTES, "%s._domainkey.%s", s->selector, s->domain) <
	       DNS_NAME_BYTES;
}

/* The lowest field of that name that is not taken yet (RFC 6376, section 5.4.2), and is not the
 * signature itself. */
static const struct field *select_field(
	const struct signature *s, const struct message *m, uint8_t *taken, struct span name)
{
	if (!name.n)
		return NULL;
	for (unsigned i = m->count; i-- > 0;) {
		const struct field *f = &m->fields[i];
		if (f == s->field || taken[i] || !span_caseeq(f->name, name))
			continue;
		taken[i] = 1;
		return f;
	}
	return NULL;
}

static size_t header_hash(
	const struct signature *s, const struct message *m, uint8_t ret[DIGEST_BYTES_MAX])
{
	uint8_t taken[HEADER_FIELDS_MAX] = {0};
	struct span rest = s->names, name;
	bool first = true;
	struct digest d;
	size_t n;

	digest_init(&d, DIGEST_SHA256);
	while (name_next(&rest, &first, &name)) {
		const struct field *f = select_field(s, m, taken, name);
		if (f)
			canon_field(&d, f, s->header_form, (struct span){0}, true);
	}
	canon_field(&d, s->field, s->header_form, s->b_room, false);
	n = digest_peek(&d, ret);
	digest_fini(&d);
	return n;
}

static ptrdiff_t decode(struct span value, uint8_t *ret, size_t size)
{
	char text[2 * SIGNATURE_BYTES_MAX];

	return tags_compact(value, text, sizeof(text)) ? base64_decode(span_str(text), ret, size)
						       : -1;
}

static bool verify_rsa(const struct key *k, struct span b, struct span hash)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k->pkey, NULL);
	bool ok = c && EVP_PKEY_verify_init(c) == 1 &&
		  EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
		  EVP_PKEY_CTX_set_signature_md(c, EVP_sha256()) == 1 &&
		  EVP_PKEY_verify(c, b.p, b.n, hash.p, hash.n) == 1;

	EVP_PKEY_CTX_free(c);
	return ok;
}

/* What is signed is the hash (RFC 8463, section 3). */
static bool verify_ed25519(const struct key *k, struct span b, struct span hash)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k->pkey) == 1 &&
		  EVP_DigestVerify(c, b.p, b.n, hash.p, hash.n) == 1;

	EVP_MD_CTX_free(c);
	return ok;
}

const char *signature_check_key(const struct signature *s, const struct key *k)
{
	if (k->type != s->key_type)
		return "key is of another type";
	return k->takes[s->digest] ? NULL : "key is for another hash";
}

const char *signature_check_body(const struct signature *s, struct span hash)
{
	uint8_t bh[DIGEST_BYTES_MAX];
	ptrdiff_t n = decode(s->bh, bh, sizeof(bh));

	return n > 0 && span_eq(span_of(bh, (size_t)n), hash) ? NULL : "body hash does not match";
}

enum signature_outcome signature_verify_hash(
	const struct signature *s, const struct key *k, struct span hash, const char **ret_why)
{
	uint8_t b[SIGNATURE_BYTES_MAX];
	ptrdiff_t n = decode(s->b, b, sizeof(b));
	bool ok;

	*ret_why = signature_check_key(s, k);
	if (*ret_why)
		return SIGNATURE_UNUSABLE;
	ok = n > 0 && hash.n &&
	     (k->type == KEY_RSA ? verify_rsa(k, span_of(b, (size_t)n), hash)
				 : verify_ed25519(k, span_of(b, (size_t)n), hash));
	*ret_why = ok ? NULL : "signature does not match";
	return ok ? SIGNATURE_MATCHES : SIGNATURE_DIFFERS;
}

enum signature_outcome signature_verify(const struct signature *s, const struct message *m,
	const struct key *k, struct span body, const char **ret_why)
{
	uint8_t hash[DIGEST_BYTES_MAX] = {0};
	size_t hash_n = header_hash(s, m, hash);
	enum signature_outcome r = signature_verify_hash(s, k, span_of(hash, hash_n), ret_why);

	if (r != SIGNATURE_MATCHES)
		return r;
	*ret_why = signature_check_body(s, body);
	return *ret_why ? SIGNATURE_DIFFERS : SIGNATURE_MATCHES;
}
