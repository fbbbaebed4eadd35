/* IPv4 (RFC 791) and IPv6 (RFC 8200) with options and extension headers. */
#include "inspect/decode_part.h"

enum {
	OPTION4_END = 0,
	OPTION4_NOP = 1,
	OPTION4_SECURITY = 0x82,
	OPTION6_PAD1 = 0,
	OPTION6_PADN = 1,
	OPTION6_ROUTER_ALERT = 5,
	OPTION6_JUMBO = 0xc2,
	OPTION6_HOME_ADDRESS = 0xc9
};

#define OPTION4_SECURITY_BYTES 11 /* RFC 791, section 3.1 */

/* Limits the packet to the length its header states: what follows is padding of the link. */
static struct span ip_bound(struct span bytes, size_t length, struct packet *p)
{
	if (length == 0) /* a GSO packet over 64 KB */
		return bytes;
	p->truncated = length > bytes.n;
	return span_take(bytes, length);
}

static void check_options4(struct packet *p)
{
	struct cursor c = cursor_of(p->ip_options);

	if (p->ip_options.n % 8) /* what the published event of this name means */
		event_raise(&p->events, EVENT_IPV4_OPT_PAD_REQUIRED);
	while (cursor_left(&c)) {
		uint8_t kind = cursor_u8(&c);
		if (kind == OPTION4_END)
			return;
		if (kind == OPTION4_NOP)
			continue;
		uint8_t length = cursor_u8(&c);
		if (!cursor_ok(&c) || length < 2 || length - 2u > cursor_left(&c)) {
			event_raise_again(&p->events, EVENT_IPV4_OPT_INVALID_LEN);
			return;
		}
		if (kind == OPTION4_SECURITY && length != OPTION4_SECURITY_BYTES)
			event_raise_again(&p->events, EVENT_IPV4_OPT_INVALID_LEN);
		cursor_skip(&c, length - 2u);
	}
}

static enum decode_result fragment_of(struct packet *p, uint32_t id, struct span data)
{
	p->fragment_id = id;
	p->fragment = data;
	return DECODE_FRAGMENT;
}

static bool is_known(uint8_t proto)
{
	static const uint8_t known[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_IPIP,
		IPPROTO_IPV6, IPPROTO_GRE, IPPROTO_SCTP, IPPROTO_ESP, IPPROTO_AH, IPPROTO_IGMP,
		IPPROTO_PIM, IPPROTO_UDPLITE, IPPROTO_EGP, IPPROTO_RSVP, 89, 112};

	for (size_t i = 0; i < sizeof(known); i++)
		if (known[i] == proto)
			return true;
	return false;
}

static enum decode_result decode_ipv4(struct span bytes, struct packet *p)
{
	struct cursor c = cursor_of(bytes);
	unsigned header = (cursor_u8(&c) & 15) * 4u;
	p->tos = cursor_u8(&c);
	uint16_t total = cursor_be16(&c);
	p->ip_id = cursor_be16(&c);
	uint16_t fragment = cursor_be16(&c);
	p->ttl = cursor_u8(&c);
	p->ip_proto = cursor_u8(&c);
	cursor_skip(&c, 2);
	struct span src = cursor_take(&c, 4), dst = cursor_take(&c, 4);

	if (!cursor_ok(&c))
		return decode_odd(p, EVENT_IPV4_PKT_TOO_SMALL);
	p->src.family = p->dst.family = 4;
	memcpy(p->src.bytes, src.p, 4);
	memcpy(p->dst.bytes, dst.p, 4);
	p->reserved_bit = fragment & 0x8000;
	p->dont_fragment = fragment & 0x4000;
	p->more_fragments = fragment & 0x2000;
	p->fragment_offset = (uint16_t)((fragment & 0x1fff) * 8);
	if (header < 20)
		return decode_odd(p, EVENT_IPV4_HLEN_TOO_SMALL);
	if (total != 0 && total < header)
		return decode_odd(p, EVENT_IPV4_IPLEN_SMALLER_THAN_HLEN);
	p->ip = ip_bound(bytes, total, p);
	if (p->truncated)
		event_raise(&p->events, EVENT_IPV4_TRUNC_PKT);
	if (p->ip.n < header)
		return DECODE_INVALID;
	p->ip_header = span_take(p->ip, header);
	p->ip_options = span_skip(p->ip_header, 20);
	check_options4(p);
	if (p->more_fragments || p->fragment_offset)
		return fragment_of(p, p->ip_id, span_skip(p->ip, header));
	if (!is_known(p->ip_proto))
		event_raise(&p->events, EVENT_IPV4_UNKNOWN_PROTOCOL);
	return decode_transport(cursor_of(span_skip(p->ip, header)), p);
}

static void check_options6(struct packet *p, struct span options)
{
	struct cursor c = cursor_of(options);

	while (cursor_left(&c)) {
		uint8_t kind = cursor_u8(&c);
		if (kind == OPTION6_PAD1)
			continue;
		cursor_skip(&c, cursor_u8(&c));
		if (!cursor_ok(&c))
			return;
		if (kind != OPTION6_PADN && kind != OPTION6_ROUTER_ALERT && kind != OPTION6_JUMBO &&
			kind != OPTION6_HOME_ADDRESS)
			event_raise(&p->events, EVENT_IPV6_DSTOPTS_UNKNOWN_OPT);
	}
}

static enum decode_result extension_fragment(struct cursor *c, struct packet *p, uint8_t *next)
{
	*next = cursor_u8(c);
	cursor_skip(c, 1);
	uint16_t offset = cursor_be16(c);
	uint32_t id = cursor_be32(c);

	if (!cursor_ok(c))
		return decode_odd(p, EVENT_IPV6_TRUNC_EXTHDR);
	if (p->has_fragment_header)
		event_raise(&p->events, EVENT_IPV6_EXTHDR_DUPL_FH);
	p->has_fragment_header = true;
	p->more_fragments = offset & 1;
	p->fragment_offset = offset & 0xfff8;
	if (!p->more_fragments && !p->fragment_offset) { /* atomic: RFC 6946 */
		event_raise(&p->events, EVENT_IPV6_EXTHDR_USELESS_FH);
		return DECODE_OK;
	}
	p->fragment_next = *next;
	struct span data = cursor_rest(c);
	if (p->more_fragments && data.n % 8)
		event_raise(&p->events, EVENT_IPV6_FRAG_INVALID_LENGTH);
	return fragment_of(p, id, data);
}

/* Walks the extension headers (RFC 8200, section 4) up to the transport header. */
static enum decode_result skip_extensions(struct cursor *c, struct packet *p)
{
	for (unsigned i = 0; i < DECODE_EXTENSIONS; i++) {
		enum decode_result r = DECODE_OK;
		struct span body;
		uint8_t next;

		switch (p->ip_proto) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			next = cursor_u8(c);
			body = cursor_take(c, cursor_u8(c) * 8u + 6);
			if (p->ip_proto == IPPROTO_DSTOPTS)
				check_options6(p, body);
			break;
		case IPPROTO_AH: /* RFC 4302, section 2.2: in words of 32 bits, minus 2 */
			next = cursor_u8(c);
			cursor_skip(c, cursor_u8(c) * 4u + 6);
			break;
		case IPPROTO_FRAGMENT:
			r = extension_fragment(c, p, &next);
			break;
		default:
			return DECODE_OK;
		}
		if (r != DECODE_OK)
			return r;
		if (!cursor_ok(c))
			return decode_odd(p, EVENT_IPV6_TRUNC_EXTHDR);
		p->ip_proto = next;
	}
	return DECODE_INVALID;
}

static enum decode_result decode_ipv6(struct span bytes, struct packet *p)
{
	struct cursor c = cursor_of(bytes);
	uint32_t first = cursor_be32(&c);
	uint16_t length = cursor_be16(&c);
	p->tos = (uint8_t)(first >> 20);
	p->ip_proto = cursor_u8(&c);
	p->ttl = cursor_u8(&c);
	struct span src = cursor_take(&c, 16), dst = cursor_take(&c, 16);

	if (!cursor_ok(&c))
		return decode_odd(p, EVENT_IPV6_PKT_TOO_SMALL);
	p->src.family = p->dst.family = 6;
	memcpy(p->src.bytes, src.p, 16);
	memcpy(p->dst.bytes, dst.p, 16);
	p->ip = ip_bound(bytes, length ? length + 40u : 0, p);
	if (p->truncated)
		event_raise(&p->events, EVENT_IPV6_TRUNC_PKT);
	p->ip_header = span_take(p->ip, 40);
	c = cursor_of(span_skip(p->ip, 40));
	enum decode_result r = skip_extensions(&c, p);
	if (r == DECODE_OK && p->has_fragment_header && cursor_left(&c) < 2) /* less than any has */
		return decode_odd(p, EVENT_IPV6_TRUNC_EXTHDR);
	if (r != DECODE_OK)
		return r;
	p->ip_header = span_of(p->ip.p, (size_t)(cursor_rest(&c).p - p->ip.p));
	return decode_transport(c, p);
}

enum decode_result decode_network(struct span bytes, struct packet *p)
{
	if (bytes.n == 0)
		return DECODE_INVALID;
	switch (bytes.p[0] >> 4) {
	case 4:
		return decode_ipv4(bytes, p);
	case 6:
		return decode_ipv6(bytes, p);
	default:
		return DECODE_INVALID;
	}
}
