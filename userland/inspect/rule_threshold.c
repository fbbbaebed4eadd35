/*
 * A threshold file beside the rules, one line each:
 *	suppress gen_id G, sig_id S[, track by_src|by_dst|by_either, ip LIST]
 *	threshold|event_filter gen_id G, sig_id S, type T, track K, count N, seconds N
 *	rate_filter gen_id G, sig_id S, track K, count N, seconds N, new_action A, timeout N
 * sig_id 0 means every rule, which for threshold means those without one of their own; a line about
 * one rule counts more than one about all.
 */
#include "inspect/keyword.h"

enum line_kind { LINE_SUPPRESS, LINE_THRESHOLD, LINE_RATE };

struct line {
	enum line_kind kind;
	uint32_t gid, sid;
	bool has_track;
	struct rule_threshold threshold;
	struct span ip;
};

static bool number(struct span text, uint32_t *ret)
{
	uint64_t v;

	if (!span_u64(text, UINT32_MAX, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool track_parse(struct span value, struct line *l)
{
	static const struct {
		const char *name;
		enum threshold_track track;
	} rows[] = {{"by_src", TRACK_SRC}, {"by_dst", TRACK_DST}, {"by_both", TRACK_BOTH},
		{"by_either", TRACK_BOTH}, {"by_rule", TRACK_RULE}, {"by_flow", TRACK_FLOW}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (span_caseeq(value, span_str(rows[i].name))) {
			l->threshold.track = rows[i].track;
			l->has_track = true;
			return true;
		}
	return false;
}

static bool type_parse(struct span value, struct line *l)
{
	static const struct {
		const char *name;
		enum threshold_type type;
	} rows[] = {{"limit", THRESHOLD_LIMIT}, {"threshold", THRESHOLD_THRESHOLD},
		{"both", THRESHOLD_BOTH}, {"backoff", THRESHOLD_BACKOFF}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (span_caseeq(value, span_str(rows[i].name))) {
			l->threshold.type = rows[i].type;
			return true;
		}
	return false;
}

static bool action_parse(struct span value, struct line *l)
{
	static const struct {
		const char *name;
		enum rule_action action;
	} rows[] = {{"drop", RULE_DROP}, {"reject", RULE_REJECT}, {"alert", RULE_ALERT},
		{"pass", RULE_PASS}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (span_caseeq(value, span_str(rows[i].name))) {
			l->threshold.new_action = (uint8_t)rows[i].action;
			return true;
		}
	return false;
}

static bool pair_apply(struct span key, struct span value, struct line *l)
{
	const struct {
		const char *name;
		uint32_t *number;
	} numbers[] = {{"gen_id", &l->gid}, {"sig_id", &l->sid}, {"count", &l->threshold.count},
		{"seconds", &l->threshold.seconds}, {"timeout", &l->threshold.timeout_s},
		{"multiplier", &l->threshold.multiplier}};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (span_caseeq(key, span_str(numbers[i].name)))
			return number(value, numbers[i].number);
	if (span_caseeq(key, SPAN_LIT("track")))
		return track_parse(value, l);
	if (span_caseeq(key, SPAN_LIT("type")))
		return type_parse(value, l);
	if (span_caseeq(key, SPAN_LIT("new_action")))
		return action_parse(value, l);
	if (span_caseeq(key, SPAN_LIT("unique_on"))) {
		l->threshold.unique = span_caseeq(value, SPAN_LIT("src_port")) ? UNIQUE_SRC_PORT
									       : UNIQUE_DST_PORT;
		return true;
	}
	if (!span_caseeq(key, SPAN_LIT("ip")))
		return false;
	l->ip = value;
	return true;
}

/* Up to the comma outside brackets. */
static struct span pair_next(struct span *rest)
{
	size_t n = 0;
	int depth = 0;
	struct span pair;

	for (; n < rest->n && (depth > 0 || rest->p[n] != ','); n++)
		depth += rest->p[n] == '[' ? 1 : rest->p[n] == ']' ? -1 : 0;
	pair = span_trim(span_take(*rest, n));
	*rest = span_skip(*rest, n < rest->n ? n + 1 : n);
	return pair;
}

static int line_parse(struct rule_build *b, struct line *l)
{
	static const struct {
		const char *name;
		enum line_kind kind;
	} kinds[] = {{"suppress ", LINE_SUPPRESS}, {"threshold ", LINE_THRESHOLD},
		{"event_filter ", LINE_THRESHOLD}, {"rate_filter ", LINE_RATE}};
	struct span text = span_trim(b->line);
	size_t i = 0;

	b->option = text;
	while (i < 4 && !span_casestarts(text, span_str(kinds[i].name)))
		i++;
	if (i == 4)
		return rule_fail(
			b, text, "suppress, threshold, event_filter or rate_filter is expected");
	l->kind = kinds[i].kind;
	text = span_skip(text, strlen(kinds[i].name));
	while (text.n) {
		struct span pair = pair_next(&text);
		ptrdiff_t blank = span_chr(pair, ' ');
		struct span key = span_take(pair, blank < 0 ? pair.n : (size_t)blank);

		if (!pair_apply(key, span_trim(span_skip(pair, key.n)), l))
			return rule_fail(b, pair, "\"%.*s\" is not understood", SPAN_ARGS(pair));
	}
	if (l->kind == LINE_RATE)
		l->threshold.type = THRESHOLD_RATE;
	if (l->kind != LINE_SUPPRESS &&
		(!l->has_track || !l->threshold.count || !l->threshold.type ||
			(l->threshold.type == THRESHOLD_BACKOFF && l->threshold.multiplier < 2)))
		return rule_fail(b, b->line, "type, track, count and seconds are needed");
	return 0;
}

static int rule_apply(
	struct rule_build *b, const struct line *l, const struct range_set *addrs, struct rule *r)
{
	const struct rule_threshold *t;
	struct rule_suppress *s;

	if (l->kind == LINE_SUPPRESS) {
		s = ruleset_alloc(b->rs, sizeof(*s));
		if (!s)
			return -ENOMEM;
		*s = (struct rule_suppress){r->suppress, addrs, l->threshold.track};
		r->suppress = s;
		return 0;
	}
	if (!l->sid && r->threshold)
		return 0;
	t = rule_keep(b, &l->threshold, sizeof(*t));
	if (!t)
		return -ENOMEM;
	*(l->kind == LINE_RATE ? &r->rate : &r->threshold) = t;
	return 0;
}

static int line_add(struct rule_build *b, bool for_all)
{
	struct line l = {.gid = 1};
	const struct range_set *addrs = NULL;
	int err = line_parse(b, &l);

	if (err < 0)
		return err;
	if ((l.sid == 0) != for_all)
		return 0;
	if (l.ip.n && rule_ranges(b, l.ip, false, &addrs) < 0)
		return -EINVAL;
	for (uint32_t i = 0; err == 0 && i < b->rs->n_rules; i++) {
		struct rule *r = b->rs->rules[i];

		if ((l.gid == 0 || r->gid == l.gid) && (l.sid == 0 || r->sid == l.sid))
			err = rule_apply(b, &l, addrs, r);
	}
	return err;
}

/* Lines about one rule come first: those about all then find a threshold there. */
int ruleset_thresholds(struct ruleset *rs, const char *file, struct span text,
	const struct rule_vars *vars, rule_refused_fn *refused, void *ctx)
{
	struct rule_build *b = malloc(sizeof(*b));
	int err = b ? 0 : -ENOMEM;

	for (unsigned pass = 0; err == 0 && pass < 2; pass++) {
		struct span rest = text, line;

		for (unsigned number_ = 1; err == 0 && rest.n; number_++) {
			ptrdiff_t end = span_chr(rest, '\n');

			line = end < 0 ? rest : span_take(rest, (size_t)end);
			rest = span_skip(rest, line.n + 1);
			line = span_trim(line);
			if (!line.n || line.p[0] == '#')
				continue;
			memset(b, 0, sizeof(*b));
			b->rs = rs;
			b->vars = vars;
			b->line = line;
			if (line_add(b, pass) < 0 && pass && refused)
				refused(ctx, file, number_, b->column, 0, b->reason);
		}
	}
	free(b);
	return err;
}
