/* How often a rule is told: words of "threshold" and "detection_filter", in any order. */
#include "inspect/keyword.h"

struct word {
	const char *name;
	unsigned value;
};

static const struct word types[] = {
	{"limit", THRESHOLD_LIMIT},
	{"threshold", THRESHOLD_THRESHOLD},
	{"both", THRESHOLD_BOTH},
	{"backoff", THRESHOLD_BACKOFF},
	{NULL, 0},
};

static const struct word tracks[] = {
	{"by_src", TRACK_SRC},
	{"by_dst", TRACK_DST},
	{"by_both", TRACK_BOTH},
	{"by_rule", TRACK_RULE},
	{"by_flow", TRACK_FLOW},
	{NULL, 0},
};

static const struct word uniques[] = {
	{"src_port", UNIQUE_SRC_PORT},
	{"dst_port", UNIQUE_DST_PORT},
	{NULL, 0},
};

static bool word_find(const struct word *words, struct span text, unsigned *ret)
{
	for (; words->name; words++)
		if (span_caseeq(span_str(words->name), text)) {
			*ret = words->value;
			return true;
		}
	return false;
}

static bool number(struct span text, uint32_t *ret)
{
	uint64_t v;

	if (!span_u64(text, UINT32_MAX, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* "count 5" */
static bool pair_apply(struct span key, struct span value, bool is_filter, struct rule_threshold *t)
{
	unsigned v = 0;

	if (span_caseeq(key, SPAN_LIT("count")))
		return number(value, &t->count);
	if (span_caseeq(key, SPAN_LIT("seconds")))
		return number(value, &t->seconds);
	if (span_caseeq(key, SPAN_LIT("multiplier")))
		return number(value, &t->multiplier);
	if (span_caseeq(key, SPAN_LIT("type")) && !is_filter && word_find(types, value, &v)) {
		t->type = (enum threshold_type)v;
		return true;
	}
	if (span_caseeq(key, SPAN_LIT("track")) && word_find(tracks, value, &v)) {
		t->track = (enum threshold_track)v;
		return true;
	}
	if (span_caseeq(key, SPAN_LIT("unique_on")) && word_find(uniques, value, &v)) {
		t->unique = (enum threshold_unique)v;
		return true;
	}
	return false;
}

static int threshold_check(
	struct rule_build *b, struct span arg, const struct rule_threshold *t, uint8_t tracked)
{
	if (!t->type)
		return rule_fail(b, arg, "type limit, threshold, both or backoff is missing");
	if (!tracked)
		return rule_fail(
			b, arg, "track by_src, by_dst, by_both, by_rule or by_flow is missing");
	if (!t->count && t->type != THRESHOLD_FILTER)
		return rule_fail(b, arg, "a count above 0 is missing");
	if (t->type == THRESHOLD_BACKOFF && (t->track != TRACK_FLOW || t->multiplier < 2))
		return rule_fail(b, arg, "backoff needs track by_flow and a multiplier above 1");
	if (t->type != THRESHOLD_BACKOFF && !t->seconds)
		return rule_fail(b, arg, "seconds are missing");
	if (t->unique && t->track == TRACK_FLOW)
		return rule_fail(b, arg, "unique_on does not go with track by_flow");
	return 0;
}

static int threshold_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct rule_threshold t = {.type = k->value ? THRESHOLD_FILTER : THRESHOLD_NONE};
	struct span rest = arg, word;
	bool tracked = false;

	while (span_token(&rest, ',', &word)) {
		ptrdiff_t blank = span_chr(word, ' ');
		struct span key = blank < 0 ? word : span_take(word, (size_t)blank);
		struct span value = blank < 0 ? span_skip(word, word.n)
					      : span_trim(span_skip(word, (size_t)blank));

		if (!pair_apply(key, value, k->value, &t))
			return rule_fail(b, word,
				"\"%.*s\": type, track, count, seconds, multiplier or unique_on "
				"with its value is expected",
				SPAN_ARGS(word));
		tracked |= span_caseeq(key, SPAN_LIT("track"));
	}
	if (threshold_check(b, arg, &t, tracked) < 0)
		return -EINVAL;
	*(k->value ? &b->rule.filter : &b->rule.threshold) = rule_keep(b, &t, sizeof(t));
	return b->reason[0] ? -EINVAL : 0;
}

const struct keyword keyword_threshold[] = {
	{"detection_filter", ARG_NEEDED, 1, threshold_parse},
	{"threshold", ARG_NEEDED, 0, threshold_parse},
	{0},
};
