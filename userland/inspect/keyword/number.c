/* Numbers of a packet: N, <N, >N, <=N, >=N, !N, or N<>M (between, without either). */
#include "inspect/keyword.h"

enum field { FIELD_DSIZE, FIELD_ITYPE, FIELD_ICODE, FIELD_TTL, FIELD_IP_PROTO };

static const struct {
	const char *name;
	uint32_t number;
} ip_protos[] = {
	{"icmp", IPPROTO_ICMP},
	{"igmp", IPPROTO_IGMP},
	{"tcp", IPPROTO_TCP},
	{"udp", IPPROTO_UDP},
	{"ipv6", IPPROTO_IPV6},
	{"gre", IPPROTO_GRE},
	{"esp", IPPROTO_ESP},
	{"ah", IPPROTO_AH},
	{"ipv6-icmp", IPPROTO_ICMPV6},
	{"sctp", IPPROTO_SCTP},
};

static bool is_icmp(const struct detect_input *in)
{
	return in->ip_proto == IPPROTO_ICMP || in->ip_proto == IPPROTO_ICMPV6;
}

static bool number_holds(const struct check *c, const struct detect_input *in)
{
	switch ((enum field)c->field) {
	case FIELD_DSIZE:
		return number_range_has(&c->range, in->buffer[BUFFER_PAYLOAD].n);
	case FIELD_ITYPE:
		return is_icmp(in) && number_range_has(&c->range, in->icmp_type);
	case FIELD_ICODE:
		return is_icmp(in) && number_range_has(&c->range, in->icmp_code);
	case FIELD_TTL:
		return number_range_has(&c->range, in->ttl);
	case FIELD_IP_PROTO:
		return number_range_has(&c->range, in->ip_proto);
	}
	return false;
}

/* A protocol may be named: tcp, !udp. */
static bool ip_proto_name(struct span arg, struct number_range *ret)
{
	bool negated = arg.n && arg.p[0] == '!';
	struct span name = span_trim(negated ? span_skip(arg, 1) : arg);

	for (size_t i = 0; i < sizeof(ip_protos) / sizeof(*ip_protos); i++) {
		if (!span_caseeq(span_str(ip_protos[i].name), name))
			continue;
		*ret = (struct number_range){ip_protos[i].number, ip_protos[i].number, negated};
		return true;
	}
	return false;
}

static int number_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct check *c = rule_check(b);
	uint32_t max = k->value == FIELD_DSIZE ? UINT16_MAX : UINT8_MAX;

	if (!c)
		return -EINVAL;
	c->holds = number_holds;
	c->field = (uint8_t)k->value;
	if (k->value != FIELD_IP_PROTO && b->rule.units == UNITS_STREAM)
		return rule_fail(b, arg, "%s is a property of packets, but the rule is for streams",
			k->name);
	if (k->value != FIELD_IP_PROTO)
		b->rule.units = UNITS_PACKET;
	if (k->value == FIELD_IP_PROTO && ip_proto_name(arg, &c->range))
		return 0;
	if (!number_range_parse(arg, max, &c->range))
		return rule_fail(b, arg, "\"%.*s\": N, <N, >N or N<>M up to %u is expected",
			SPAN_ARGS(arg), max);
	return 0;
}

const struct keyword keyword_number[] = {
	{"dsize", ARG_NEEDED, FIELD_DSIZE, number_parse},
	{"icode", ARG_NEEDED, FIELD_ICODE, number_parse},
	{"ip_proto", ARG_NEEDED, FIELD_IP_PROTO, number_parse},
	{"itype", ARG_NEEDED, FIELD_ITYPE, number_parse},
	{"ttl", ARG_NEEDED, FIELD_TTL, number_parse},
	{0},
};
