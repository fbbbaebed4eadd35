/* What else happens once a rule has matched: the flow is no longer looked at (bypass), its next
 * packets are logged (tag). */
#include "inspect/keyword.h"

static int bypass_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	(void)k;
	(void)arg;
	b->rule.bypass = true;
	return 0;
}

/* tag:session[,count,packets|bytes|seconds] or tag:host,count,metric,src|dst. Packets are counted
 * whatever the metric says, at most 255, of this flow. */
static int tag_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct span rest = arg, type = {0}, count = {0}, metric = {0}, side = {0};
	uint64_t n = 255;

	(void)k;
	(void)span_token(&rest, ',', &type);
	(void)span_token(&rest, ',', &count);
	(void)span_token(&rest, ',', &metric);
	(void)span_token(&rest, ',', &side);
	if (!span_caseeq(type, SPAN_LIT("session")) && !span_caseeq(type, SPAN_LIT("host")))
		return rule_fail(b, type, "\"%.*s\": session or host is expected", SPAN_ARGS(type));
	if (count.n && !span_u64(count, UINT32_MAX, &n))
		return rule_fail(b, count, "\"%.*s\": a number is expected", SPAN_ARGS(count));
	if (metric.n && !span_caseeq(metric, SPAN_LIT("packets")) &&
		!span_caseeq(metric, SPAN_LIT("bytes")) &&
		!span_caseeq(metric, SPAN_LIT("seconds")))
		return rule_fail(b, metric, "\"%.*s\": packets, bytes or seconds is expected",
			SPAN_ARGS(metric));
	if (!span_caseeq(metric, SPAN_LIT("packets")) || n > UINT8_MAX)
		n = UINT8_MAX;
	b->rule.tag_packets = (uint8_t)n;
	return 0;
}

const struct keyword keyword_after[] = {
	{"bypass", ARG_NONE, 0, bypass_parse},
	{"tag", ARG_NEEDED, 0, tag_parse},
	{0},
};
