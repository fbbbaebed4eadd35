/* What is in the IP header beside numbers: options, fragment bits, equal addresses. */
#include "inspect/decode.h"
#include "inspect/keyword.h"

/* RFC 791, section 3.1; the stream identifier is from RFC 6814. */
static const struct {
	const char *name;
	uint8_t type; /* of the option; 0 with ANY_OPTION: any */
} options[] = {
	{"eol", 0},
	{"nop", 1},
	{"sec", 0x82},
	{"lsrr", 0x83},
	{"ts", 0x44},
	{"esec", 0x85},
	{"cipso", 0x86},
	{"rr", 0x07},
	{"satid", 0x88},
	{"ssrr", 0x89},
	{"qs", 0x19},
	{"rtralt", 0x94},
};

static bool options_have(struct span options_of, const struct check *c)
{
	while (options_of.n) {
		uint8_t type = options_of.p[0];
		size_t length = type > 1 && options_of.n > 1 ? options_of.p[1] : 1;

		if (c->how || type == c->want)
			return true;
		if (type == 0 || (type > 1 && length < 2))
			return false;
		options_of = span_skip(options_of, length);
	}
	return false;
}

static bool options_hold(const struct check *c, const struct detect_input *in)
{
	return in->packet && in->src.family == 4 && options_have(in->packet->ip_options, c);
}

static int options_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct check *c = rule_check(b);

	(void)k;
	if (!c)
		return -EINVAL;
	c->holds = options_hold;
	b->rule.units = UNITS_PACKET;
	c->how = span_caseeq(arg, SPAN_LIT("any"));
	if (c->how)
		return 0;
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (span_caseeq(arg, span_str(options[i].name))) {
			c->want = options[i].type;
			return 0;
		}
	return rule_fail(b, arg, "\"%.*s\" is no known IP option", SPAN_ARGS(arg));
}

#define BIT_MORE 1
#define BIT_DONT 2
#define BIT_RESERVED 4

static bool fragbits_hold(const struct check *c, const struct detect_input *in)
{
	const struct packet *p = in->packet;
	uint8_t have;

	if (!p)
		return false;
	have = (uint8_t)((p->more_fragments ? BIT_MORE : 0) | (p->dont_fragment ? BIT_DONT : 0) |
			 (p->reserved_bit ? BIT_RESERVED : 0));
	switch (c->how) {
	case '+':
		return (have & c->want) == c->want;
	case '*':
		return (have & c->want) != 0;
	case '!':
		return (have & c->want) == 0;
	default:
		return have == c->want;
	}
}

/* [+*!] and letters of M, D, R */
static int fragbits_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct check *c = rule_check(b);
	struct span bits = arg;

	(void)k;
	if (!c)
		return -EINVAL;
	c->holds = fragbits_hold;
	b->rule.units = UNITS_PACKET;
	if (bits.p[0] == '+' || bits.p[0] == '*' || bits.p[0] == '!') {
		c->how = bits.p[0];
		bits = span_trim(span_skip(bits, 1));
	}
	for (size_t i = 0; i < bits.n; i++) {
		uint8_t letter = ascii_lower(bits.p[i]);

		if (letter != 'm' && letter != 'd' && letter != 'r')
			return rule_fail(b, span_skip(bits, i),
				"M, D and R, after + * or ! if wanted, are expected");
		c->want |= letter == 'm' ? BIT_MORE : letter == 'd' ? BIT_DONT : BIT_RESERVED;
	}
	return bits.n ? 0 : rule_fail(b, arg, "M, D or R is expected");
}

static bool sameip_holds(const struct check *c, const struct detect_input *in)
{
	(void)c;
	return in->src.family == in->dst.family &&
	       memcmp(in->src.bytes, in->dst.bytes, in->src.family == 6 ? 16 : 4) == 0;
}

static int sameip_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct check *c = rule_check(b);

	(void)k;
	(void)arg;
	if (!c)
		return -EINVAL;
	c->holds = sameip_holds;
	return 0;
}

const struct keyword keyword_header[] = {
	{"fragbits", ARG_NEEDED, 0, fragbits_parse},
	{"ipopts", ARG_NEEDED, 0, options_parse},
	{"sameip", ARG_NONE, 0, sameip_parse},
	{0},
};
