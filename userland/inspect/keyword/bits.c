/* What a rule sets, clears and asks for: flowbits and flowints of a flow, xbits and hostbits of
 * hosts. Grammar: verb[,name][,track ...][,expire seconds]. */
#include "inspect/capture.h"
#include "inspect/keyword.h"

#define EXPIRE_S 30          /* of xbits that say nothing */
#define HOSTBIT_EXPIRE_S 300 /* likewise of hostbits */

static const struct {
	const char *name;
	enum op_verb verb;
} verbs[] = {
	{"isset", OP_ISSET},
	{"isnotset", OP_ISNOTSET},
	{"notset", OP_ISNOTSET},
	{"set", OP_SET},
	{"unset", OP_UNSET},
	{"toggle", OP_TOGGLE},
};

static int verb_parse(struct rule_build *b, struct span word, enum op_verb *ret)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (span_caseeq(span_str(verbs[i].name), word)) {
			*ret = verbs[i].verb;
			return 0;
		}
	return rule_fail(b, word, "\"%.*s\": set, unset, toggle, isset or isnotset is expected",
		SPAN_ARGS(word));
}

/* a|b: one of them is enough. */
static int names_parse(struct rule_build *b, struct span text, struct rule_op *op)
{
	struct span rest = text, name;

	while (span_token(&rest, '|', &name)) {
		if (!name.n || op->n == 4)
			return rule_fail(b, text, "one to four names are expected");
		op->name[op->n++] = name_hash(name);
	}
	if (!op->n)
		return rule_fail(b, text, "a name is expected");
	if (op->n > 1 && op->verb >= OP_ASKS)
		return rule_fail(b, text, "only isset and isnotset take several names");
	return 0;
}

/* traffic/id/NAME: events of the flow show it. */
static int traffic_parse(struct rule_build *b, struct span name, struct rule_op *op)
{
	struct capture_name shown = {};

	if (op->verb != OP_SET || !capture_traffic_read(name, &shown))
		return 0;
	op->traffic = rule_keep(b, &shown, sizeof(shown));
	return op->traffic ? 0 : -EINVAL;
}

static int flowbits_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct span rest = arg, verb = {0}, name = {0};
	struct rule_op *op;

	(void)k;
	(void)span_token(&rest, ',', &verb);
	if (span_caseeq(verb, SPAN_LIT("noalert"))) {
		b->rule.noalert = true;
		return 0;
	}
	op = rule_op(b);
	if (!op)
		return -EINVAL;
	op->kind = OP_FLOWBIT;
	(void)span_token(&rest, ',', &name);
	if (verb_parse(b, verb, &op->verb) < 0 || names_parse(b, name, op) < 0)
		return -EINVAL;
	return traffic_parse(b, name, op);
}

static int track_parse(struct rule_build *b, struct span word, struct rule_op *op)
{
	struct span by = span_trim(span_skip(word, strlen("track")));

	if (span_caseeq(by, SPAN_LIT("ip_src")))
		op->kind = OP_XBIT_SRC;
	else if (span_caseeq(by, SPAN_LIT("ip_dst")))
		op->kind = OP_XBIT_DST;
	else if (span_caseeq(by, SPAN_LIT("ip_pair")))
		op->kind = OP_XBIT_PAIR;
	else
		return rule_fail(b, word, "\"%.*s\": track ip_src, ip_dst or ip_pair is expected",
			SPAN_ARGS(word));
	return 0;
}

static int xbits_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct span rest = arg, verb = {0}, name = {0}, word;
	struct rule_op *op;
	uint64_t v;

	(void)k;
	(void)span_token(&rest, ',', &verb);
	if (span_caseeq(verb, SPAN_LIT("noalert"))) {
		b->rule.noalert = true;
		return 0;
	}
	op = rule_op(b);
	if (!op)
		return -EINVAL;
	op->kind = OP_FLOWBIT; /* until it says whom it tracks */
	op->expire_s = EXPIRE_S;
	(void)span_token(&rest, ',', &name);
	if (verb_parse(b, verb, &op->verb) < 0 || names_parse(b, name, op) < 0)
		return -EINVAL;
	while (span_token(&rest, ',', &word)) {
		if (span_casestarts(word, SPAN_LIT("track"))) {
			if (track_parse(b, word, op) < 0)
				return -EINVAL;
			continue;
		}
		if (!span_casestarts(word, SPAN_LIT("expire")) ||
			!span_u64(span_trim(span_skip(word, strlen("expire"))), UINT32_MAX, &v))
			return rule_fail(b, word,
				"\"%.*s\": track ip_src, ip_dst or ip_pair, or expire and a "
				"number of seconds is expected",
				SPAN_ARGS(word));
		op->expire_s = (uint32_t)v;
	}
	if (op->kind == OP_FLOWBIT)
		return rule_fail(b, arg, "track ip_src, ip_dst or ip_pair is missing");
	return 0;
}

/* hostbits:set,name,src|dst|both */
static int hostbits_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct span rest = arg, verb = {0}, name = {0}, side;
	struct rule_op *op = rule_op(b);

	(void)k;
	if (!op)
		return -EINVAL;
	op->kind = OP_XBIT_SRC;
	op->expire_s = HOSTBIT_EXPIRE_S;
	(void)span_token(&rest, ',', &verb);
	(void)span_token(&rest, ',', &name);
	if (verb_parse(b, verb, &op->verb) < 0 || names_parse(b, name, op) < 0)
		return -EINVAL;
	if (!span_token(&rest, ',', &side) || span_caseeq(side, SPAN_LIT("src")))
		return 0;
	if (!span_caseeq(side, SPAN_LIT("dst")))
		return rule_fail(b, side, "\"%.*s\": src or dst is expected", SPAN_ARGS(side));
	op->kind = OP_XBIT_DST;
	return 0;
}

static const struct {
	const char *name;
	enum op_verb verb;
} int_verbs[] = {
	{"+", OP_ADD},
	{"-", OP_SUBTRACT},
	{"=", OP_SET},
	{"<", OP_LT},
	{"<=", OP_LE},
	{"==", OP_EQ},
	{"!=", OP_NE},
	{">=", OP_GE},
	{">", OP_GT},
	{"isset", OP_ISSET},
	{"notset", OP_ISNOTSET},
	{"isnotset", OP_ISNOTSET},
};

/* name, verb[, number or the name of another one] */
static int flowint_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct span rest = arg, name = {0}, verb = {0}, value = {0};
	struct rule_op *op = rule_op(b);
	uint64_t v;

	(void)k;
	if (!op)
		return -EINVAL;
	op->kind = OP_FLOWINT;
	(void)span_token(&rest, ',', &name);
	(void)span_token(&rest, ',', &verb);
	(void)span_token(&rest, ',', &value);
	if (!name.n)
		return rule_fail(b, arg, "a name is expected");
	op->name[op->n++] = name_hash(name);
	for (size_t i = 0; i < sizeof(int_verbs) / sizeof(*int_verbs); i++) {
		if (!span_caseeq(span_str(int_verbs[i].name), verb))
			continue;
		op->verb = int_verbs[i].verb;
		if (op->verb == OP_ISSET || op->verb == OP_ISNOTSET)
			return 0;
		if (!value.n)
			return rule_fail(b, verb, "a number or the name of a flowint is missing");
		if (span_u64(value, UINT32_MAX, &v))
			op->value = (uint32_t)v;
		else
			op->value_name = name_hash(value);
		return 0;
	}
	return rule_fail(b, verb, "\"%.*s\": + - = < <= == != >= > isset or notset is expected",
		SPAN_ARGS(verb));
}

static int noalert_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	(void)arg;
	b->rule.noalert = k->value;
	return 0;
}

const struct keyword keyword_bits[] = {
	{"alert", ARG_NONE, false, noalert_parse},
	{"flowbits", ARG_NEEDED, 0, flowbits_parse},
	{"flowint", ARG_NEEDED, 0, flowint_parse},
	{"hostbits", ARG_NEEDED, 0, hostbits_parse},
	{"noalert", ARG_NONE, true, noalert_parse},
	{"xbits", ARG_NEEDED, 0, xbits_parse},
	{0},
};
