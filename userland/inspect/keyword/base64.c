/* base64_decode: what the buffer holds from here on, decoded (RFC 4648) up to the first character
 * that is none of the alphabet, is what base64_data then looks at. */
#include "inspect/detect_scratch.h"
#include "inspect/keyword.h"

struct decode_op {
	uint32_t bytes, offset;
};

static int digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Line ends within are passed over, as mail has them. */
static size_t decode(struct span in, uint8_t *out, size_t room)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (size_t i = 0; i < in.n && n < room; i++) {
		int d = digit(in.p[i]);

		if (in.p[i] == '\r' || in.p[i] == '\n')
			continue;
		if (d < 0)
			break;
		bits = bits << 6 | (uint32_t)d;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		out[n++] = (uint8_t)(bits >> have);
	}
	return n;
}

static bool decode_find(const struct step *st, struct detect_scratch *s, struct span buf,
	size_t prev, struct place *place)
{
	const struct decode_op *op = st->op;
	size_t from = op->offset + (st->relative ? prev : 0), n;

	if (place->again || from >= buf.n)
		return false;
	place->again = true;
	buf = span_skip(buf, from);
	n = decode(op->bytes ? span_take(buf, op->bytes) : buf, s->decoded, sizeof(s->decoded));
	s->base64 = span_of(s->decoded, n);
	return n != 0;
}

static int decode_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct decode_op op = {0};
	struct step *st = rule_step(b, arg, decode_find);
	struct span rest = arg, word;
	uint64_t v;

	(void)k;
	if (!st)
		return -EINVAL;
	while (span_token(&rest, ',', &word)) {
		bool bytes = span_casestarts(word, SPAN_LIT("bytes"));

		if (span_caseeq(word, SPAN_LIT("relative"))) {
			st->relative = true;
			continue;
		}
		if ((!bytes && !span_casestarts(word, SPAN_LIT("offset"))) ||
			!span_u64(span_trim(span_skip(word, bytes ? 5 : 6)), UINT16_MAX, &v))
			return rule_fail(b, word,
				"\"%.*s\": bytes or offset with a number, or relative is expected",
				SPAN_ARGS(word));
		*(bytes ? &op.bytes : &op.offset) = (uint32_t)v;
	}
	st->bounded = true;
	if (st->relative && b->buffer == BUFFER_PAYLOAD && st > b->steps)
		st->buffer = st[-1].buffer;
	st->op = rule_keep(b, &op, sizeof(op));
	b->content = NULL;
	return st->op ? 0 : -EINVAL;
}

const struct keyword keyword_base64[] = {
	{"base64_decode", ARG_OPTIONAL, 0, decode_parse},
	{0},
};
