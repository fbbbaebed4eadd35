/*
 * Bytes that must, or with ! must not, be in the buffer. The text between the quotes holds plain
 * characters, hexadecimal bytes between bars, and a backslash before  " ; : | \ .
 */
#include "inspect/detect_scratch.h"
#include "inspect/keyword.h"

static ptrdiff_t find_nocase(struct span hay, struct span needle)
{
	uint8_t first = needle.p[0];

	for (size_t i = 0; i + needle.n <= hay.n; i++) {
		size_t j = 1;

		if (ascii_lower(hay.p[i]) != first)
			continue;
		while (j < needle.n && ascii_lower(hay.p[i + j]) == needle.p[j])
			j++;
		if (j == needle.n)
			return (ptrdiff_t)i;
	}
	return -1;
}

/* Where a match may be, variables looked up. */
struct window {
	int64_t offset, depth, distance, within; /* depth 0: to the end */
};

static struct window window_of(const struct step *st, const struct detect_scratch *s)
{
	struct window w = {st->offset, st->depth, st->distance, st->within};

	if (st->offset_var)
		w.offset = (int64_t)(s->variable[st->offset_var - 1] & INT32_MAX);
	if (st->depth_var)
		w.depth = (int64_t)(s->variable[st->depth_var - 1] & INT32_MAX);
	if (st->distance_var)
		w.distance = (int32_t)s->variable[st->distance_var - 1];
	if (st->within_var)
		w.within = (int64_t)(s->variable[st->within_var - 1] & INT32_MAX);
	return w;
}

/* First and last byte that a match may take; false when there is no room for one. offset and depth
 * count from the start of the stream, base bytes before the buffer. */
static bool content_window(const struct step *st, const struct detect_scratch *s, size_t n,
	size_t prev, size_t *ret_from, size_t *ret_end)
{
	int64_t from = 0, end = (int64_t)n, base = (int64_t)s->base;
	struct window w = window_of(st, s);

	if (st->relative) {
		from = (int64_t)prev + w.distance;
		if (from < 0)
			from = 0;
		if (st->has_within && (int64_t)prev + w.distance + w.within < end)
			end = (int64_t)prev + w.distance + w.within;
	}
	if (w.offset - base > from)
		from = w.offset - base;
	if ((st->depth_var || w.depth) && w.offset + w.depth - base < end)
		end = w.offset + w.depth - base;
	if (st->endswith) {
		if (end < (int64_t)n)
			return false;
		if (end - (int64_t)st->bytes.n > from)
			from = end - (int64_t)st->bytes.n;
	}
	if (end < from || (uint64_t)(end - from) < st->bytes.n)
		return false;
	*ret_from = (size_t)from;
	*ret_end = (size_t)end;
	return true;
}

static bool content_find(const struct step *st, struct detect_scratch *s, struct span buf,
	size_t prev, struct place *place)
{
	size_t from, end;
	struct span hay;
	ptrdiff_t at;

	/* what must not be in the first bytes of a stream: not to be told once some of them have
	 * gone by */
	if (st->negated && st->depth && s->base)
		return true;
	if (!content_window(st, s, buf.n, prev, &from, &end))
		return false;
	if (place->again && place->resume > from)
		from = place->resume;
	if (from > end)
		return false;
	hay = span_of(buf.p + from, end - from);
	at = st->nocase ? find_nocase(hay, st->bytes) : span_find(hay, st->bytes);
	if (at < 0)
		return false;
	place->again = true;
	place->resume = from + (size_t)at + 1;
	place->end = from + (size_t)at + st->bytes.n;
	return true;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes between two bars, up to the second one, behind which *i is left. */
static int hex_run(struct rule_build *b, struct span text, size_t *i, uint8_t *out, size_t *n)
{
	int high = -1;

	for (; *i < text.n && text.p[*i] != '|'; (*i)++) {
		int d = hex_digit(text.p[*i]);

		if (text.p[*i] == ' ' && high < 0)
			continue;
		if (d < 0)
			return rule_fail(b, span_skip(text, *i),
				"pairs of hexadecimal digits are expected between bars");
		if (high < 0) {
			high = d;
			continue;
		}
		out[(*n)++] = (uint8_t)(high << 4 | d);
		high = -1;
	}
	if (*i == text.n || high >= 0)
		return rule_fail(b, span_skip(text, *i), "%s",
			high >= 0 ? "a hexadecimal digit is missing"
				  : "the closing bar is missing");
	(*i)++;
	return 0;
}

static int content_bytes(struct rule_build *b, struct span text, struct span *ret)
{
	uint8_t *out = ruleset_alloc(b->rs, text.n + 1);
	size_t n = 0, i = 0;

	if (!out)
		return rule_fail(b, text, "out of memory for rules");
	while (i < text.n) {
		uint8_t c = text.p[i++];

		if (c == '|') {
			if (hex_run(b, text, &i, out, &n) < 0)
				return -EINVAL;
			continue;
		}
		if (c == '\\') {
			if (i == text.n || !strchr("\\\";:|", text.p[i]))
				return rule_fail(b, span_skip(text, i - 1),
					"a backslash stands before \\ \" ; : or | only");
			c = text.p[i++];
		}
		out[n++] = c;
	}
	if (n == 0)
		return rule_fail(b, text, "the content is empty");
	*ret = span_of(out, n);
	return 0;
}

static int content_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct span text;
	struct step *st;
	bool negated = false;

	if (rule_quoted(b, arg, &negated, &text) < 0)
		return -EINVAL;
	st = rule_step(b, arg, content_find);
	if (!st)
		return -EINVAL;
	if (k->value != BUFFER_PAYLOAD) {
		st->buffer = (enum buffer)k->value;
		st->transforms = NULL;
	}
	st->negated = negated;
	st->moves = !negated;
	b->content = st;
	return content_bytes(b, text, &st->bytes);
}

const struct keyword keyword_content[] = {
	{"content", ARG_NEEDED, BUFFER_PAYLOAD, content_parse},
	{"tls.fingerprint", ARG_NEEDED, BUFFER_TLS_FINGERPRINT, content_parse},
	{"tls.issuerdn", ARG_NEEDED, BUFFER_TLS_ISSUER, content_parse},
	{"tls.subject", ARG_NEEDED, BUFFER_TLS_SUBJECT, content_parse},
	{"uricontent", ARG_NEEDED, BUFFER_HTTP_URI, content_parse},
	{0},
};
