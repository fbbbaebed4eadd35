#include "inspect/decode_part.h"

#include <net/ethernet.h>
#include <pcap/pcap.h>

#define PPP_IPV4 0x0021
#define PPP_IPV6 0x0057
#define ETH_QINQ 0x88a8
#define ETH_QINQ_OLD 0x9100
#define ETH_PPPOE_SESSION 0x8864
#define ETH_MPLS 0x8847
#define ETH_MPLS_MULTICAST 0x8848
/* Address families of the BSD loopback header; IPv6 has a number for each BSD. */
#define BSD_INET 2

enum decode_result decode_ppp(struct cursor c, struct packet *p)
{
	uint16_t proto = cursor_be16(&c);

	if (proto == 0xff03) /* address and control field (RFC 1662), left out in PPPoE */
		proto = cursor_be16(&c);
	if (proto == 0x0f00 || proto == 0x8f00) { /* Cisco HDLC on the same kind of link */
		uint16_t type = cursor_be16(&c);
		return decode_ethertype(c, type, p);
	}
	if (!cursor_ok(&c))
		return decode_odd(p, EVENT_PPP_PKT_TOO_SMALL);
	if (proto >> 8 == PPP_IPV4 && proto >> 8 != 0) { /* protocol field compressed to a byte */
		c.p--;
		proto = PPP_IPV4;
	}
	switch (proto) {
	case PPP_IPV4:
		if (cursor_left(&c) < 20)
			return decode_odd(p, EVENT_PPP_IP4_PKT_TOO_SMALL);
		return decode_network(cursor_rest(&c), p);
	case PPP_IPV6:
		if (cursor_left(&c) < 40)
			return decode_odd(p, EVENT_PPP_IP6_PKT_TOO_SMALL);
		return decode_network(cursor_rest(&c), p);
	default:
		break;
	}
	/* Control and compression protocols (RFC 1661, section 2) are none of ours. */
	if (proto & 0x0100 || !(proto & 1))
		event_raise(&p->events, EVENT_PPP_WRONG_TYPE);
	return DECODE_UNKNOWN;
}

/* RFC 2516, section 4. */
static enum decode_result decode_pppoe(struct cursor c, struct packet *p)
{
	uint8_t version = cursor_u8(&c), code = cursor_u8(&c);

	cursor_skip(&c, 2);
	uint16_t length = cursor_be16(&c);
	if (!cursor_ok(&c))
		return decode_odd(p, EVENT_PPPOE_PKT_TOO_SMALL);
	(void)version;
	if (code != 0)
		return decode_odd(p, EVENT_PPPOE_WRONG_CODE);
	return decode_ppp(cursor_of(span_take(cursor_rest(&c), length)), p);
}

/* Labels until the bottom of the stack (RFC 3032); the first nibble then tells the payload. */
static enum decode_result decode_mpls(struct cursor c, struct packet *p)
{
	for (unsigned i = 0; i < DECODE_LABELS; i++) {
		uint32_t label = cursor_be32(&c);
		if (!cursor_ok(&c))
			return DECODE_INVALID;
		if (label & 0x100)
			return decode_network(cursor_rest(&c), p);
	}
	return DECODE_INVALID;
}

enum decode_result decode_ethertype(struct cursor c, uint16_t type, struct packet *p)
{
	while (type == ETHERTYPE_VLAN || type == ETH_QINQ || type == ETH_QINQ_OLD) {
		if (p->vlan_n == DECODE_TAGS)
			return DECODE_INVALID;
		p->vlan[p->vlan_n++] = cursor_be16(&c) & 0x0fff;
		type = cursor_be16(&c);
	}
	if (!cursor_ok(&c))
		return DECODE_INVALID;
	switch (type) {
	case ETHERTYPE_IP:
	case ETHERTYPE_IPV6:
		return decode_network(cursor_rest(&c), p);
	case ETH_PPPOE_SESSION:
		return decode_pppoe(c, p);
	case ETH_MPLS:
	case ETH_MPLS_MULTICAST:
		return decode_mpls(c, p);
	default:
		return DECODE_UNKNOWN;
	}
}

static enum decode_result decode_ethernet(struct cursor c, struct packet *p)
{
	struct span dst = cursor_take(&c, 6), src = cursor_take(&c, 6);
	uint16_t type = cursor_be16(&c);

	if (!cursor_ok(&c))
		return DECODE_INVALID;
	p->ether_dst = dst.p;
	p->ether_src = src.p;
	return decode_ethertype(c, type, p);
}

static enum decode_result decode_loopback(struct cursor c, struct packet *p)
{
	struct span family = cursor_take(&c, 4);

	if (!cursor_ok(&c))
		return DECODE_INVALID;
	/* In the byte order of whoever captured; all families fit in one byte. */
	uint8_t f = family.p[0] | family.p[3];
	if (f != BSD_INET && f != 10 && f != 24 && f != 28 && f != 30)
		return DECODE_UNKNOWN;
	return decode_network(cursor_rest(&c), p);
}

static enum decode_result decode_dispatch(int link, struct cursor c, struct packet *p)
{
	uint16_t type;

	switch (link) {
	case DLT_EN10MB:
		return decode_ethernet(c, p);
	case DLT_LINUX_SLL:
		cursor_skip(&c, 14);
		type = cursor_be16(&c);
		return decode_ethertype(c, type, p);
	case DLT_LINUX_SLL2:
		type = cursor_be16(&c);
		cursor_skip(&c, 18);
		return decode_ethertype(c, type, p);
	case DLT_NULL:
	case DLT_LOOP:
		return decode_loopback(c, p);
	case DLT_PPP:
		return decode_ppp(c, p);
	case DLT_C_HDLC: /* address, control, then as Ethernet */
		cursor_skip(&c, 2);
		type = cursor_be16(&c);
		return decode_ethertype(c, type, p);
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6:
		return decode_network(cursor_rest(&c), p);
	default:
		return DECODE_UNKNOWN;
	}
}

static void packet_reset(struct packet *p)
{
	*p = (struct packet){.at = p->at, .number = p->number, .tcp_wscale = TCP_NO_WSCALE};
}

enum decode_result decode_link(int link, struct span frame, struct packet *ret)
{
	packet_reset(ret);
	ret->frame = frame;
	ret->link = link;
	ret->wire_bytes = (uint32_t)frame.n;
	return decode_dispatch(link, cursor_of(frame), ret);
}

enum decode_result decode_ip(struct span bytes, struct packet *ret)
{
	packet_reset(ret);
	ret->wire_bytes = (uint32_t)bytes.n;
	return decode_network(bytes, ret);
}

static enum decode_result decode_by_kind(struct span bytes, enum inner_kind kind, struct packet *p)
{
	struct cursor c = cursor_of(bytes);

	switch (kind) {
	case INNER_IP:
		return decode_network(bytes, p);
	case INNER_ETHERNET:
		return decode_ethernet(c, p);
	case INNER_PPP:
		return decode_ppp(c, p);
	case INNER_VLAN:
		return decode_ethertype(c, ETHERTYPE_VLAN, p);
	default:
		return DECODE_UNKNOWN;
	}
}

enum decode_result decode_inner(const struct packet *outer, struct packet *ret)
{
	*ret = (struct packet){.at = outer->at,
		.number = outer->number,
		.tcp_wscale = TCP_NO_WSCALE,
		.wire_bytes = (uint32_t)outer->inner.n,
		.frame = outer->frame,
		.link = outer->link,
		.origin = outer->src.family == 6 ? ORIGIN_TUNNEL6 : ORIGIN_TUNNEL4,
		.outer = outer};
	return decode_by_kind(outer->inner, outer->inner_kind, ret);
}

size_t packet_link_bytes(const struct packet *p)
{
	if (!p->frame.p || p->outer || p->ip.p < p->frame.p ||
		(size_t)(p->ip.p - p->frame.p) > DECODE_LINK_BYTES)
		return 0;
	return (size_t)(p->ip.p - p->frame.p);
}

enum decode_result decode_whole(struct span bytes, const struct packet *last, struct packet *ret)
{
	size_t link = packet_link_bytes(last);

	*ret = (struct packet){.at = last->at,
		.number = last->number,
		.vlan = {last->vlan[0], last->vlan[1]},
		.vlan_n = last->vlan_n,
		.tcp_wscale = TCP_NO_WSCALE,
		.wire_bytes = (uint32_t)bytes.n,
		.frame = span_of(bytes.p - link, bytes.n + link),
		.link = last->outer || !last->frame.p ? DLT_RAW : last->link,
		.ether_src = last->ether_src,
		.ether_dst = last->ether_dst,
		.origin = ORIGIN_DEFRAG};
	return decode_network(bytes, ret);
}

const char *packet_origin_name(enum packet_origin o)
{
	static const char *const names[ORIGIN_COUNT] = {[ORIGIN_WIRE] = "wire/pcap",
		[ORIGIN_DEFRAG] = "defrag",
		[ORIGIN_TUNNEL4] = "ipv4 tunnel",
		[ORIGIN_TUNNEL6] = "ipv6 tunnel",
		[ORIGIN_STREAM] = "stream (flow timeout)"};

	return names[o];
}

const char *decode_link_name(int link)
{
	const char *name = pcap_datalink_val_to_name(link);

	if (link == DLT_IPV4 || link == DLT_IPV6) /* eve.json writes these two as the RFCs do */
		return link == DLT_IPV4 ? "IPv4" : "IPv6";
	return name ? name : "unknown";
}

bool decode_link_is_known(int link)
{
	static const int known[] = {DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_NULL, DLT_LOOP,
		DLT_PPP, DLT_C_HDLC, DLT_RAW, DLT_IPV4, DLT_IPV6};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i] == link)
			return true;
	return false;
}
