#include "inspect/decode.h"

#include <net/ethernet.h>
#include <pcap/dlt.h>

#define PPP_IPV4 0x0021
#define PPP_IPV6 0x0057
#define ETH_QINQ 0x88a8
#define ETH_QINQ_OLD 0x9100
#define ETH_PPPOE_SESSION 0x8864
/* Address families of the BSD loopback header; IPv6 has a number for each BSD. */
#define BSD_INET 2

static enum decode_result decode_tcp(struct cursor c, struct packet *p)
{
	p->src_port = cursor_be16(&c);
	p->dst_port = cursor_be16(&c);
	p->seq = cursor_be32(&c);
	p->ack = cursor_be32(&c);
	unsigned header = (cursor_u8(&c) >> 4) * 4u;
	p->tcp_flags = cursor_u8(&c);
	cursor_skip(&c, 6); /* window, checksum, urgent pointer */
	if (header < 20)
		return DECODE_INVALID;
	cursor_skip(&c, header - 20);
	p->payload = cursor_rest(&c);
	return cursor_ok(&c) ? DECODE_OK : DECODE_INVALID;
}

static enum decode_result decode_udp(struct cursor c, struct packet *p)
{
	p->src_port = cursor_be16(&c);
	p->dst_port = cursor_be16(&c);
	uint16_t length = cursor_be16(&c);
	cursor_skip(&c, 2);
	p->payload = cursor_rest(&c);
	if (!cursor_ok(&c) || (length != 0 && length < 8))
		return DECODE_INVALID;
	/* 0: a jumbogram or a GSO packet; longer than the bytes: truncated or the first of
	 * fragments. */
	if (length != 0)
		p->payload = span_take(p->payload, length - 8u);
	return DECODE_OK;
}

static enum decode_result decode_icmp(struct cursor c, struct packet *p)
{
	p->icmp_type = cursor_u8(&c);
	p->icmp_code = cursor_u8(&c);
	cursor_skip(&c, 2);
	if (!cursor_ok(&c))
		return DECODE_INVALID;
	bool echo = p->ip_proto == IPPROTO_ICMP ? p->icmp_type == 8 || p->icmp_type == 0
						: p->icmp_type == 128 || p->icmp_type == 129;
	if (cursor_left(&c) >= 4) {
		p->icmp_id = cursor_be16(&c);
		cursor_skip(&c, 2);
	}
	if (!echo)
		p->icmp_id = 0;
	p->payload = cursor_rest(&c);
	return DECODE_OK;
}

static enum decode_result decode_transport(struct cursor c, struct packet *p)
{
	switch (p->ip_proto) {
	case IPPROTO_TCP:
		return decode_tcp(c, p);
	case IPPROTO_UDP:
		return decode_udp(c, p);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return decode_icmp(c, p);
	default:
		p->payload = cursor_rest(&c);
		return DECODE_OK;
	}
}

/* Limits the packet to the length its header states: what follows is padding of the link. */
static struct span ip_bound(struct span bytes, size_t length, struct packet *p)
{
	if (length == 0) /* a GSO packet over 64 KB */
		return bytes;
	p->truncated = length > bytes.n;
	return span_take(bytes, length);
}

static enum decode_result decode_ipv4(struct span bytes, struct packet *p)
{
	struct cursor c = cursor_of(bytes);
	unsigned header = (cursor_u8(&c) & 15) * 4u;
	cursor_skip(&c, 1);
	uint16_t total = cursor_be16(&c);
	cursor_skip(&c, 2);
	uint16_t fragment = cursor_be16(&c);
	p->ttl = cursor_u8(&c);
	p->ip_proto = cursor_u8(&c);
	cursor_skip(&c, 2);
	struct span src = cursor_take(&c, 4), dst = cursor_take(&c, 4);

	if (!cursor_ok(&c) || header < 20 || (total != 0 && total < header))
		return DECODE_INVALID;
	p->src.family = p->dst.family = 4;
	memcpy(p->src.bytes, src.p, 4);
	memcpy(p->dst.bytes, dst.p, 4);
	p->ip = ip_bound(bytes, total, p);
	if (p->ip.n < header)
		return DECODE_INVALID;
	if (fragment & 0x1fff)
		return DECODE_FRAGMENT;
	return decode_transport(cursor_of(span_skip(p->ip, header)), p);
}

/* Walks the extension headers (RFC 8200, section 4) up to the transport header. */
static enum decode_result skip_extensions(struct cursor *c, struct packet *p)
{
	for (unsigned i = 0; i < DECODE_EXTENSIONS; i++) {
		uint8_t next;

		switch (p->ip_proto) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			next = cursor_u8(c);
			cursor_skip(c, cursor_u8(c) * 8u + 6);
			break;
		case IPPROTO_AH: /* RFC 4302, section 2.2: in words of 32 bits, minus 2 */
			next = cursor_u8(c);
			cursor_skip(c, cursor_u8(c) * 4u + 6);
			break;
		case IPPROTO_FRAGMENT:
			next = cursor_u8(c);
			cursor_skip(c, 1);
			if (cursor_be16(c) & 0xfff8)
				return cursor_ok(c) ? DECODE_FRAGMENT : DECODE_INVALID;
			cursor_skip(c, 4);
			break;
		default:
			return DECODE_OK;
		}
		if (!cursor_ok(c))
			return DECODE_INVALID;
		p->ip_proto = next;
	}
	return DECODE_INVALID;
}

static enum decode_result decode_ipv6(struct span bytes, struct packet *p)
{
	struct cursor c = cursor_of(bytes);
	cursor_skip(&c, 4);
	uint16_t length = cursor_be16(&c);
	p->ip_proto = cursor_u8(&c);
	p->ttl = cursor_u8(&c);
	struct span src = cursor_take(&c, 16), dst = cursor_take(&c, 16);

	if (!cursor_ok(&c))
		return DECODE_INVALID;
	p->src.family = p->dst.family = 6;
	memcpy(p->src.bytes, src.p, 16);
	memcpy(p->dst.bytes, dst.p, 16);
	p->ip = ip_bound(bytes, length ? length + 40u : 0, p);
	c = cursor_of(span_skip(p->ip, 40));
	enum decode_result r = skip_extensions(&c, p);
	return r == DECODE_OK ? decode_transport(c, p) : r;
}

static enum decode_result decode_network(struct span bytes, struct packet *p)
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

static enum decode_result decode_ppp(struct cursor c, struct packet *p)
{
	uint16_t proto = cursor_be16(&c);

	if (proto == 0xff03) /* address and control field (RFC 1662), left out in PPPoE */
		proto = cursor_be16(&c);
	if (!cursor_ok(&c))
		return DECODE_INVALID;
	return proto == PPP_IPV4 || proto == PPP_IPV6 ? decode_network(cursor_rest(&c), p)
						      : DECODE_UNKNOWN;
}

static enum decode_result decode_ethertype(struct cursor c, uint16_t type, struct packet *p)
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
		cursor_skip(&c, 6);
		return decode_ppp(c, p);
	default:
		return DECODE_UNKNOWN;
	}
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
		cursor_skip(&c, 12);
		type = cursor_be16(&c);
		return decode_ethertype(c, type, p);
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
	*p = (struct packet){.at = p->at, .number = p->number};
}

enum decode_result decode_link(int link, struct span frame, struct packet *ret)
{
	packet_reset(ret);
	return decode_dispatch(link, cursor_of(frame), ret);
}

enum decode_result decode_ip(struct span bytes, struct packet *ret)
{
	packet_reset(ret);
	return decode_network(bytes, ret);
}

bool decode_link_is_known(int link)
{
	static const int known[] = {DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_NULL, DLT_LOOP,
		DLT_PPP, DLT_RAW, DLT_IPV4, DLT_IPV6};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i] == link)
			return true;
	return false;
}
