/* Where and how the content before is looked for. */
#include "inspect/keyword.h"

enum modifier { NOCASE, STARTSWITH, ENDSWITH, RAWBYTES, OFFSET, DEPTH, DISTANCE, WITHIN };

/* Suricata's bound for distance and within. */
#define RELATIVE_MAX (1 << 20)

static int content_needed(struct rule_build *b, const struct keyword *k, struct span arg)
{
	if (!b->content)
		return rule_fail(b, arg, "%s needs a content before it", k->name);
	return 0;
}

static void content_lower(struct rule_build *b, struct step *st)
{
	uint8_t *low = ruleset_alloc(b->rs, st->bytes.n);

	if (!low) {
		rule_fail(b, st->pos, "out of memory for rules");
		return;
	}
	for (size_t i = 0; i < st->bytes.n; i++)
		low[i] = ascii_lower(st->bytes.p[i]);
	st->bytes.p = low;
	st->nocase = true;
}

static int word_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	if (content_needed(b, k, arg) < 0)
		return -EINVAL;
	switch ((enum modifier)k->value) {
	case NOCASE:
		content_lower(b, b->content);
		return b->content->nocase ? 0 : -EINVAL;
	case STARTSWITH:
		b->content->startswith = true;
		break;
	case ENDSWITH:
		b->content->endswith = true;
		break;
	default:
		break; /* rawbytes: our payload is never anything else */
	}
	return 0;
}

static bool number(struct span arg, bool may_be_negative, int32_t max, int32_t *ret)
{
	bool minus = may_be_negative && arg.n && arg.p[0] == '-';
	uint64_t v;

	if (!span_u64(minus ? span_skip(arg, 1) : arg, (uint64_t)max, &v))
		return false;
	*ret = minus ? -(int32_t)v : (int32_t)v;
	return true;
}

/* The number is in a variable of byte_extract or byte_math. */
static bool place_variable(
	struct rule_build *b, struct step *st, const struct keyword *k, struct span arg)
{
	uint8_t var = rule_variable(b, arg);

	if (!var)
		return false;
	st->uses_variable = true;
	st->bounded = true;
	switch ((enum modifier)k->value) {
	case OFFSET:
		st->offset_var = var;
		return true;
	case DEPTH:
		st->depth_var = var;
		return true;
	case DISTANCE:
		st->distance_var = var;
		st->has_distance = true;
		break;
	default:
		st->within_var = var;
		st->has_within = true;
		break;
	}
	st->relative = true;
	return true;
}

static int place_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	bool relative = k->value == DISTANCE || k->value == WITHIN;
	int32_t max = relative ? RELATIVE_MAX : UINT16_MAX, v;
	struct step *st;

	if (content_needed(b, k, arg) < 0)
		return -EINVAL;
	st = b->content;
	if (place_variable(b, st, k, arg))
		return 0;
	if (!number(arg, k->value == DISTANCE, max, &v))
		return rule_fail(
			b, arg, "\"%.*s\": a number up to %d is expected", SPAN_ARGS(arg), max);
	switch ((enum modifier)k->value) {
	case OFFSET:
		st->offset = (uint32_t)v;
		break;
	case DEPTH:
		st->depth = (uint32_t)v;
		break;
	case DISTANCE:
		st->distance = v;
		st->has_distance = true;
		break;
	default:
		st->within = v;
		st->has_within = true;
		break;
	}
	st->relative |= relative;
	st->bounded |= k->value == WITHIN;
	if ((k->value == DEPTH || k->value == WITHIN) && (size_t)v < st->bytes.n)
		return rule_fail(
			b, arg, "%s is shorter than the content's %zu bytes", k->name, st->bytes.n);
	return 0;
}

/* fast_pattern, fast_pattern:only, or fast_pattern:offset,length. */
static int fast_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct span rest = arg, offset, length;
	uint64_t o, n;

	if (content_needed(b, k, arg) < 0)
		return -EINVAL;
	b->content->fast = true;
	if (!arg.n || span_caseeq(arg, SPAN_LIT("only")))
		return 0;
	if (!span_token(&rest, ',', &offset) || !span_token(&rest, ',', &length) || rest.n ||
		!span_u64(offset, UINT16_MAX, &o) || !span_u64(length, UINT16_MAX, &n) || !n ||
		o + n > b->content->bytes.n)
		return rule_fail(b, arg,
			"\"%.*s\": only, or offset,length within the content is expected",
			SPAN_ARGS(arg));
	b->content->fast_offset = (uint16_t)o;
	b->content->fast_bytes = (uint16_t)n;
	return 0;
}

const struct keyword keyword_modifier[] = {
	{"depth", ARG_NEEDED, DEPTH, place_parse},
	{"distance", ARG_NEEDED, DISTANCE, place_parse},
	{"endswith", ARG_NONE, ENDSWITH, word_parse},
	{"fast_pattern", ARG_OPTIONAL, 0, fast_parse},
	{"nocase", ARG_NONE, NOCASE, word_parse},
	{"offset", ARG_NEEDED, OFFSET, place_parse},
	{"rawbytes", ARG_NONE, RAWBYTES, word_parse},
	{"startswith", ARG_NONE, STARTSWITH, word_parse},
	{"within", ARG_NEEDED, WITHIN, place_parse},
	{0},
};
