/*
 * What the buffer is turned into before contents look at it: to_md5, strip_whitespace, dotprefix...
 * Each writes into the half of the scratch's work space that it does not read.
 */
#include <openssl/md5.h>
#include <openssl/sha.h>

#include "inspect/detect_scratch.h"
#include "inspect/keyword.h"

static uint8_t *room(struct detect_scratch *s)
{
	return s->work[s->work_turn & 1];
}

static void lower(
	const struct transform *t, struct span in, struct detect_scratch *s, struct span *out)
{
	uint8_t *to = room(s);

	(void)t;
	in = span_take(in, TRANSFORM_BYTES);
	for (size_t i = 0; i < in.n; i++)
		to[i] = ascii_lower(in.p[i]);
	*out = span_of(to, in.n);
}

static void upper(
	const struct transform *t, struct span in, struct detect_scratch *s, struct span *out)
{
	uint8_t *to = room(s);

	(void)t;
	in = span_take(in, TRANSFORM_BYTES);
	for (size_t i = 0; i < in.n; i++)
		to[i] = in.p[i] >= 'a' && in.p[i] <= 'z' ? in.p[i] & (uint8_t)~0x20 : in.p[i];
	*out = span_of(to, in.n);
}

/* Names of domains are told by their end: of a long one the end is kept. */
static void dotprefix(
	const struct transform *t, struct span in, struct detect_scratch *s, struct span *out)
{
	uint8_t *to = room(s);

	(void)t;
	if (in.n > TRANSFORM_BYTES - 1)
		in = span_skip(in, in.n - (TRANSFORM_BYTES - 1));
	to[0] = '.';
	if (in.n)
		memcpy(to + 1, in.p, in.n);
	*out = span_of(to, in.n + 1);
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void strip_whitespace(
	const struct transform *t, struct span in, struct detect_scratch *s, struct span *out)
{
	uint8_t *to = room(s);
	size_t n = 0;

	(void)t;
	in = span_take(in, TRANSFORM_BYTES);
	for (size_t i = 0; i < in.n; i++)
		if (!is_space(in.p[i]))
			to[n++] = in.p[i];
	*out = span_of(to, n);
}

static void compress_whitespace(
	const struct transform *t, struct span in, struct detect_scratch *s, struct span *out)
{
	uint8_t *to = room(s);
	size_t n = 0;

	(void)t;
	in = span_take(in, TRANSFORM_BYTES);
	for (size_t i = 0; i < in.n; i++)
		if (!is_space(in.p[i]) || i == 0 || !is_space(in.p[i - 1]))
			to[n++] = in.p[i];
	*out = span_of(to, n);
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void url_decode(
	const struct transform *t, struct span in, struct detect_scratch *s, struct span *out)
{
	uint8_t *to = room(s);
	size_t n = 0;

	(void)t;
	in = span_take(in, TRANSFORM_BYTES);
	for (size_t i = 0; i < in.n; i++) {
		int high = i + 2 < in.n ? hex_value(in.p[i + 1]) : -1;
		int low = i + 2 < in.n ? hex_value(in.p[i + 2]) : -1;

		if (in.p[i] == '%' && high >= 0 && low >= 0) {
			to[n++] = (uint8_t)(high << 4 | low);
			i += 2;
		} else {
			to[n++] = in.p[i] == '+' ? ' ' : in.p[i];
		}
	}
	*out = span_of(to, n);
}

static void xor_with(
	const struct transform *t, struct span in, struct detect_scratch *s, struct span *out)
{
	uint8_t *to = room(s);

	in = span_take(in, TRANSFORM_BYTES);
	for (size_t i = 0; i < in.n; i++)
		to[i] = in.p[i] ^ t->arg.p[i % t->arg.n];
	*out = span_of(to, in.n);
}

static void to_md5(
	const struct transform *t, struct span in, struct detect_scratch *s, struct span *out)
{
	(void)t;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* the rule language has MD5 */
	MD5(in.p, in.n, room(s));
#pragma GCC diagnostic pop
	*out = span_of(room(s), MD5_DIGEST_LENGTH);
}

static void to_sha1(
	const struct transform *t, struct span in, struct detect_scratch *s, struct span *out)
{
	(void)t;
	SHA1(in.p, in.n, room(s));
	*out = span_of(room(s), SHA_DIGEST_LENGTH);
}

static void to_sha256(
	const struct transform *t, struct span in, struct detect_scratch *s, struct span *out)
{
	(void)t;
	SHA256(in.p, in.n, room(s));
	*out = span_of(room(s), SHA256_DIGEST_LENGTH);
}

/* Names of header lines in lower case, values as they are. */
static void header_lowercase(
	const struct transform *t, struct span in, struct detect_scratch *s, struct span *out)
{
	uint8_t *to = room(s);
	bool name = true;

	(void)t;
	in = span_take(in, TRANSFORM_BYTES);
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == ':')
			name = false;
		if (in.p[i] == '\n')
			name = true;
		to[i] = name ? ascii_lower(in.p[i]) : in.p[i];
	}
	*out = span_of(to, in.n);
}

/* Lines that begin with a colon (RFC 9113, section 8.3) are left out. */
static void strip_pseudo_headers(
	const struct transform *t, struct span in, struct detect_scratch *s, struct span *out)
{
	uint8_t *to = room(s);
	size_t n = 0;

	(void)t;
	in = span_take(in, TRANSFORM_BYTES);
	while (in.n) {
		ptrdiff_t end = span_chr(in, '\n');
		struct span line = end < 0 ? in : span_take(in, (size_t)end + 1);

		if (line.p[0] != ':') {
			memcpy(to + n, line.p, line.n);
			n += line.n;
		}
		in = span_skip(in, line.n);
	}
	*out = span_of(to, n);
}

static const struct {
	void (*apply)(const struct transform *t, struct span in, struct detect_scratch *s,
		struct span *out);
	bool keeps_bytes;
} rows[] = {
	{dotprefix, true},
	{lower, true},
	{upper, true},
	{header_lowercase, true},
	{compress_whitespace, false},
	{strip_whitespace, false},
	{strip_pseudo_headers, false},
	{url_decode, false},
	{to_md5, false},
	{to_sha1, false},
	{to_sha256, false},
	{xor_with, false},
};

static bool transforms_equal(const struct transforms *a, const struct transforms *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (a->list[i].apply != b->list[i].apply ||
			!span_eq(a->list[i].arg, b->list[i].arg))
			return false;
	return true;
}

const struct transforms *transforms_keep(struct rule_build *b)
{
	struct transforms *t;

	for (t = b->rs->transforms; t; t = t->next)
		if (transforms_equal(t, &b->transforms))
			return t;
	t = rule_keep(b, &b->transforms, sizeof(*t));
	if (!t)
		return NULL;
	t->next = b->rs->transforms;
	b->rs->transforms = t;
	return t;
}

static int transform_add(
	struct rule_build *b, const struct keyword *k, struct span arg, struct span value)
{
	struct transforms *t = &b->transforms;

	if (b->buffer == BUFFER_PAYLOAD && k->value == 0)
		return rule_fail(
			b, arg, "%s needs a sticky buffer before it, such as dns.query", k->name);
	if (t->n == RULE_TRANSFORMS)
		return rule_fail(b, arg, "more than %d transforms of a buffer", RULE_TRANSFORMS);
	t->list[t->n++] =
		(struct transform){rows[k->value].apply, value, rows[k->value].keeps_bytes};
	b->kept = NULL;
	b->content = NULL;
	return 0;
}

static int plain_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	return transform_add(b, k, arg, (struct span){0});
}

static int xor_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct span text;
	uint8_t *key;
	size_t n = 0;

	if (rule_quoted(b, arg, NULL, &text) < 0)
		return -EINVAL;
	key = rule_keep(b, text.p, text.n + 1);
	if (!key)
		return -EINVAL;
	for (size_t i = 0; i + 1 < text.n; i += 2) {
		int high = hex_value(text.p[i]), low = hex_value(text.p[i + 1]);

		if (high < 0 || low < 0)
			return rule_fail(b, arg, "a key of hexadecimal digits is expected");
		key[n++] = (uint8_t)(high << 4 | low);
	}
	if (!n || text.n % 2)
		return rule_fail(b, arg, "a key of hexadecimal digits is expected");
	return transform_add(b, k, arg, span_of(key, n));
}

const struct keyword keyword_transform[] = {
	{"compress_whitespace", ARG_NONE, 4, plain_parse},
	{"dotprefix", ARG_NONE, 0, plain_parse},
	{"header_lowercase", ARG_NONE, 3, plain_parse},
	{"strip_pseudo_headers", ARG_NONE, 6, plain_parse},
	{"strip_whitespace", ARG_NONE, 5, plain_parse},
	{"to_lowercase", ARG_NONE, 1, plain_parse},
	{"to_md5", ARG_NONE, 8, plain_parse},
	{"to_sha1", ARG_NONE, 9, plain_parse},
	{"to_sha256", ARG_NONE, 10, plain_parse},
	{"to_uppercase", ARG_NONE, 2, plain_parse},
	{"url_decode", ARG_NONE, 7, plain_parse},
	{"xor", ARG_NEEDED, 11, xor_parse},
	{0},
};
