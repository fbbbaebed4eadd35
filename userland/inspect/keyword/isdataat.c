/* Whether the buffer holds data N bytes from its start, or with "relative" from the match before.
 */
#include "inspect/detect_scratch.h"
#include "inspect/keyword.h"

static bool isdataat_find(const struct step *st, struct detect_scratch *s, struct span buf,
	size_t prev, struct place *place)
{
	uint64_t n = st->offset_var ? s->variable[st->offset_var - 1] & INT32_MAX : st->range.min;

	(void)place;
	if (st->relative)
		return prev + n <= buf.n;
	return n < s->base + buf.n;
}

static int isdataat_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct span rest = arg, n = {0}, word;
	struct step *st = rule_step(b, arg, isdataat_find);
	uint64_t v;

	(void)k;
	if (!st)
		return -EINVAL;
	(void)span_token(&rest, ',', &n);
	if (n.n && n.p[0] == '!') {
		st->negated = true;
		n = span_trim(span_skip(n, 1));
	}
	st->offset_var = rule_variable(b, n);
	st->uses_variable = st->offset_var;
	if (!st->offset_var) {
		if (!span_u64(n, UINT16_MAX, &v))
			return rule_fail(b, n,
				"\"%.*s\": a number up to 65535 or a variable is expected",
				SPAN_ARGS(n));
		st->range.min = (uint32_t)v;
	}
	while (span_token(&rest, ',', &word)) {
		if (span_caseeq(word, SPAN_LIT("relative")))
			st->relative = true;
		else if (!span_caseeq(word, SPAN_LIT("rawbytes")))
			return rule_fail(b, word, "\"%.*s\": relative or rawbytes is expected",
				SPAN_ARGS(word));
	}
	/* without a sticky buffer, older modifiers may have moved what it is relative to */
	if (st->relative && b->buffer == BUFFER_PAYLOAD && st > b->steps)
		st->buffer = st[-1].buffer;
	st->bounded = st->negated;
	return 0;
}

const struct keyword keyword_isdataat[] = {
	{"isdataat", ARG_NEEDED, 0, isdataat_parse},
	{0},
};
