/* Numbers of a packet: N, <N, >N, <=N, >=N, !N, or N<>M (between, without either). A packet that
 * does not have the field does not match. */
#include "inspect/decode.h"
#include "inspect/keyword.h"

enum field {
	FIELD_DSIZE,
	FIELD_ITYPE,
	FIELD_ICODE,
	FIELD_ICMP_ID,
	FIELD_ICMP_SEQ,
	FIELD_TTL,
	FIELD_TOS,
	FIELD_IP_ID,
	FIELD_IP_PROTO,
	FIELD_SEQ,
	FIELD_ACK,
	FIELD_WINDOW,
	FIELD_MSS,
	FIELD_WSCALE,
	FIELD_FRAGOFFSET,
	FIELD_HEADER,
};

static const struct {
	const char *name;
	uint32_t number;
} ip_protos[] = {
	{"icmp", IPPROTO_ICMP},
	{"igmp", IPPROTO_IGMP},
	{"ipip", IPPROTO_IPIP},
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

static bool is_echo(const struct detect_input *in)
{
	return (in->ip_proto == IPPROTO_ICMP && in->icmp_type != 3 && in->icmp_type != 11) ||
	       (in->ip_proto == IPPROTO_ICMPV6 && (in->icmp_type == 128 || in->icmp_type == 129));
}

/* Which header: the transport protocol, or for IP headers the family. */
static bool header_holds(const struct check *c, const struct detect_input *in)
{
	return c->field == FIELD_HEADER && c->want ? in->ip_proto == c->want
						   : in->src.family == c->how;
}

void header_check(struct check *c, const char *buffer_name)
{
	static const struct {
		const char *name;
		uint8_t proto, family;
	} headers[] = {
		{"icmpv4.hdr", IPPROTO_ICMP, 0},
		{"icmpv6.hdr", IPPROTO_ICMPV6, 0},
		{"ipv4.hdr", 0, 4},
		{"ipv6.hdr", 0, 6},
		{"tcp.hdr", IPPROTO_TCP, 0},
		{"udp.hdr", IPPROTO_UDP, 0},
	};

	c->holds = header_holds;
	c->field = FIELD_HEADER;
	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++)
		if (strcmp(headers[i].name, buffer_name) == 0) {
			c->want = headers[i].proto;
			c->how = headers[i].family;
		}
}

/* The field of the packet; false when it has none. */
static bool field_get(enum field field, const struct detect_input *in, uint32_t *ret)
{
	const struct packet *p = in->packet;
	bool tcp = in->ip_proto == IPPROTO_TCP;

	switch (field) {
	case FIELD_DSIZE:
		*ret = (uint32_t)in->buffer[BUFFER_PAYLOAD].n;
		return true;
	case FIELD_ITYPE:
		*ret = in->icmp_type;
		return is_icmp(in);
	case FIELD_ICODE:
		*ret = in->icmp_code;
		return is_icmp(in);
	case FIELD_TTL:
		*ret = in->ttl;
		return true;
	case FIELD_IP_PROTO:
		*ret = in->ip_proto;
		return true;
	default:
		break;
	}
	if (!p)
		return false;
	switch (field) {
	case FIELD_ICMP_ID:
		*ret = p->icmp_id;
		return is_echo(in);
	case FIELD_ICMP_SEQ:
		*ret = p->icmp_seq;
		return is_echo(in);
	case FIELD_TOS:
		*ret = p->tos;
		return in->src.family == 4;
	case FIELD_IP_ID:
		*ret = p->ip_id;
		return in->src.family == 4;
	case FIELD_SEQ:
		*ret = p->seq;
		return tcp;
	case FIELD_ACK:
		*ret = p->ack;
		return tcp;
	case FIELD_WINDOW:
		*ret = p->tcp_window;
		return tcp;
	case FIELD_MSS:
		*ret = p->mss;
		return tcp && p->mss;
	case FIELD_WSCALE:
		*ret = p->tcp_wscale;
		return tcp && p->tcp_wscale != TCP_NO_WSCALE;
	case FIELD_FRAGOFFSET:
		*ret = p->fragment_offset / 8U;
		return true;
	default:
		return false;
	}
}

static bool number_holds(const struct check *c, const struct detect_input *in)
{
	uint32_t v = 0;

	return field_get((enum field)c->field, in, &v) && number_range_has(&c->range, v);
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

static uint32_t field_max(enum field field)
{
	switch (field) {
	case FIELD_SEQ:
	case FIELD_ACK:
		return UINT32_MAX - 1;
	case FIELD_DSIZE:
	case FIELD_ICMP_ID:
	case FIELD_ICMP_SEQ:
	case FIELD_IP_ID:
	case FIELD_WINDOW:
	case FIELD_MSS:
	case FIELD_FRAGOFFSET:
		return UINT16_MAX;
	default:
		return UINT8_MAX;
	}
}

static int number_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct check *c = rule_check(b);
	uint32_t max = field_max((enum field)k->value);

	if (!c)
		return -EINVAL;
	c->holds = number_holds;
	c->fixed = k->value == FIELD_DSIZE || k->value == FIELD_IP_PROTO;
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
	{"ack", ARG_NEEDED, FIELD_ACK, number_parse},
	{"dsize", ARG_NEEDED, FIELD_DSIZE, number_parse},
	{"fragoffset", ARG_NEEDED, FIELD_FRAGOFFSET, number_parse},
	{"icmp_id", ARG_NEEDED, FIELD_ICMP_ID, number_parse},
	{"icmp_seq", ARG_NEEDED, FIELD_ICMP_SEQ, number_parse},
	{"icode", ARG_NEEDED, FIELD_ICODE, number_parse},
	{"id", ARG_NEEDED, FIELD_IP_ID, number_parse},
	{"ip_proto", ARG_NEEDED, FIELD_IP_PROTO, number_parse},
	{"itype", ARG_NEEDED, FIELD_ITYPE, number_parse},
	{"seq", ARG_NEEDED, FIELD_SEQ, number_parse},
	{"tcp.ack", ARG_NEEDED, FIELD_ACK, number_parse},
	{"tcp.mss", ARG_NEEDED, FIELD_MSS, number_parse},
	{"tcp.seq", ARG_NEEDED, FIELD_SEQ, number_parse},
	{"tcp.window", ARG_NEEDED, FIELD_WINDOW, number_parse},
	{"tcp.wscale", ARG_NEEDED, FIELD_WSCALE, number_parse},
	{"tos", ARG_NEEDED, FIELD_TOS, number_parse},
	{"ttl", ARG_NEEDED, FIELD_TTL, number_parse},
	{"window", ARG_NEEDED, FIELD_WINDOW, number_parse},
	{0},
};
