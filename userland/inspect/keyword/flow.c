/* Direction and state of the flow. Words may come in any order. */
#include "inspect/keyword.h"

static const struct word {
	const char *name;
	unsigned directions;
	enum rule_established established;
	enum rule_units units;
	bool stateless;
} words[] = {
	{"established", 0, ESTABLISHED_YES, 0, false},
	{"from_client", DIR_TO_SERVER, 0, 0, false},
	{"from_server", DIR_TO_CLIENT, 0, 0, false},
	{"no_stream", 0, 0, UNITS_PACKET, false},
	{"not_established", 0, ESTABLISHED_NO, 0, false},
	{"only_stream", 0, 0, UNITS_STREAM, false},
	{"stateless", .stateless = true},
	{"to_client", DIR_TO_CLIENT, 0, 0, false},
	{"to_server", DIR_TO_SERVER, 0, 0, false},
};

static int word_apply(struct rule_build *b, struct span name)
{
	const struct word *w = NULL;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (span_caseeq(span_str(words[i].name), name))
			w = &words[i];
	if (!w)
		return rule_fail(b, name,
			"\"%.*s\": to_server, to_client, from_server, from_client, "
			"established, not_established, stateless, only_stream or no_stream is "
			"expected",
			SPAN_ARGS(name));
	if (w->directions)
		b->rule.directions &= w->directions;
	if (!b->rule.directions ||
		(w->established && b->rule.established && w->established != b->rule.established) ||
		(w->units && b->rule.units && w->units != b->rule.units))
		return rule_fail(b, name, "%s contradicts what the rule says before", w->name);
	if (w->established)
		b->rule.established = w->established;
	if (w->units)
		b->rule.units = w->units;
	b->stateless |= w->stateless;
	return 0;
}

static int flow_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct span rest = arg, word;

	(void)k;
	while (span_token(&rest, ',', &word))
		if (word_apply(b, word) < 0)
			return -EINVAL;
	return 0;
}

const struct keyword keyword_flow[] = {
	{"flow", ARG_NEEDED, 0, flow_parse},
	{0},
};
