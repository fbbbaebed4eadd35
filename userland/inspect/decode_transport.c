/* TCP, UDP and ICMP headers. */
#include "inspect/decode_part.h"

enum {
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_MSS = 2,
	OPTION_WSCALE = 3,
	OPTION_TIMESTAMP = 8,
	OPTION_FAST_OPEN = 34,
	OPTION_EXPERIMENT = 254
};

static void take_option(struct packet *p, uint8_t kind, struct span value)
{
	struct cursor c = cursor_of(value);

	if (kind == OPTION_MSS && value.n == 2) {
		p->mss = cursor_be16(&c);
	} else if (kind == OPTION_WSCALE && value.n == 1) {
		p->tcp_wscale = cursor_u8(&c);
	} else if (kind == OPTION_TIMESTAMP && value.n == 8) {
		p->has_tcp_timestamp = true;
		p->tcp_tsval = cursor_be32(&c);
		p->tcp_tsecr = cursor_be32(&c);
	} else if (kind == OPTION_FAST_OPEN ||
		   (kind == OPTION_EXPERIMENT && cursor_be16(&c) == 0xf989)) {
		p->has_fast_open = true; /* RFC 7413; the second is its first number, RFC 6994 */
	} else if (kind == OPTION_MSS || kind == OPTION_WSCALE || kind == OPTION_TIMESTAMP) {
		event_raise(&p->events, EVENT_TCP_OPT_INVALID_LEN);
	}
}

static void read_options(struct packet *p, struct span options)
{
	struct cursor c = cursor_of(options);

	while (cursor_left(&c)) {
		uint8_t kind = cursor_u8(&c);
		if (kind == OPTION_END)
			return;
		if (kind == OPTION_NOP)
			continue;
		uint8_t length = cursor_u8(&c);
		struct span value = cursor_take(&c, length < 2 ? 0 : length - 2u);
		if (!cursor_ok(&c) || length < 2) {
			event_raise(&p->events, EVENT_TCP_OPT_INVALID_LEN);
			return;
		}
		take_option(p, kind, value);
	}
}

static enum decode_result decode_tcp(struct cursor c, struct packet *p)
{
	struct span all = cursor_rest(&c);

	p->src_port = cursor_be16(&c);
	p->dst_port = cursor_be16(&c);
	p->seq = cursor_be32(&c);
	p->ack = cursor_be32(&c);
	unsigned header = (cursor_u8(&c) >> 4) * 4u;
	p->tcp_flags = cursor_u8(&c);
	p->tcp_window = cursor_be16(&c);
	cursor_skip(&c, 2); /* checksum */
	p->tcp_urgent = cursor_be16(&c);
	if (!cursor_ok(&c))
		return decode_odd(p, EVENT_TCP_PKT_TOO_SMALL);
	if (header < 20)
		return decode_odd(p, EVENT_TCP_HLEN_TOO_SMALL);
	struct span options = cursor_take(&c, header - 20);
	if (!cursor_ok(&c))
		return decode_odd(p, EVENT_TCP_INVALID_OPTLEN);
	p->transport = span_take(all, header);
	read_options(p, options);
	p->payload = cursor_rest(&c);
	return DECODE_OK;
}

static enum decode_result decode_udp(struct cursor c, struct packet *p)
{
	struct span all = cursor_rest(&c);

	p->src_port = cursor_be16(&c);
	p->dst_port = cursor_be16(&c);
	p->udp_length = cursor_be16(&c);
	cursor_skip(&c, 2);
	if (!cursor_ok(&c))
		return decode_odd(p, EVENT_UDP_PKT_TOO_SMALL);
	/* 0: a jumbogram or a GSO packet. */
	if (p->udp_length != 0 && p->udp_length < 8)
		return decode_odd(p, EVENT_UDP_LEN_INVALID);
	p->transport = span_take(all, 8);
	p->payload = cursor_rest(&c);
	if (p->udp_length && p->udp_length - 8u != p->payload.n && !p->truncated)
		event_raise(&p->events, EVENT_UDP_LEN_INVALID);
	if (p->udp_length)
		p->payload = span_take(p->payload, p->udp_length - 8u);
	decode_udp_tunnel(p);
	return DECODE_OK;
}

static enum decode_result decode_icmp(struct cursor c, struct packet *p)
{
	struct span all = cursor_rest(&c);

	p->icmp_type = cursor_u8(&c);
	p->icmp_code = cursor_u8(&c);
	cursor_skip(&c, 2);
	if (!cursor_ok(&c))
		return decode_odd(p, p->ip_proto == IPPROTO_ICMP ? EVENT_ICMPV4_PKT_TOO_SMALL
								 : EVENT_ICMPV6_PKT_TOO_SMALL);
	bool echo = p->ip_proto == IPPROTO_ICMP ? p->icmp_type == 8 || p->icmp_type == 0
						: p->icmp_type == 128 || p->icmp_type == 129;
	if (cursor_left(&c) >= 4) {
		p->icmp_id = cursor_be16(&c);
		p->icmp_seq = cursor_be16(&c);
	}
	if (!echo)
		p->icmp_id = p->icmp_seq = 0;
	p->transport = span_take(all, 8);
	p->payload = cursor_rest(&c);
	return DECODE_OK;
}

static enum decode_result decode_inner_ip(struct cursor c, struct packet *p)
{
	p->payload = cursor_rest(&c);
	p->inner = p->payload;
	p->inner_kind = INNER_IP;
	return DECODE_OK;
}

enum decode_result decode_transport(struct cursor c, struct packet *p)
{
	switch (p->ip_proto) {
	case IPPROTO_TCP:
		return decode_tcp(c, p);
	case IPPROTO_UDP:
		return decode_udp(c, p);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return decode_icmp(c, p);
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
		return decode_inner_ip(c, p);
	case IPPROTO_GRE:
		return decode_gre(c, p);
	default:
		p->payload = cursor_rest(&c);
		return DECODE_OK;
	}
}
