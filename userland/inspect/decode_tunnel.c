/* Packets in packets: GRE (RFC 2784, 2890, 2637), Teredo (RFC 4380), VXLAN (RFC 7348), GENEVE (RFC
 * 8926), GTP-U (3GPP TS 29.281). They are recognised by protocol and port alone and only cut here;
 * the inner packet is decoded on its own (decode_inner). */
#include <net/ethernet.h>

#include "inspect/decode_part.h"

#define PORT_GTP_U 2152
#define PORT_TEREDO 3544
#define PORT_VXLAN 4789
#define PORT_GENEVE 6081
#define ETH_TEB 0x6558 /* an Ethernet frame */
#define ETH_PPP_GRE 0x880b
#define ETH_ERSPAN2 0x88be

static bool inner_by_ethertype(struct packet *p, uint16_t type, struct span bytes)
{
	switch (type) {
	case ETHERTYPE_IP:
	case ETHERTYPE_IPV6:
		p->inner_kind = INNER_IP;
		break;
	case ETH_TEB:
		p->inner_kind = INNER_ETHERNET;
		break;
	case ETH_PPP_GRE:
		p->inner_kind = INNER_PPP;
		break;
	case ETHERTYPE_VLAN:
		p->inner_kind = INNER_VLAN;
		break;
	default:
		return false;
	}
	p->inner = bytes;
	return true;
}

enum decode_result decode_gre(struct cursor c, struct packet *p)
{
	uint16_t flags = cursor_be16(&c), type = cursor_be16(&c);
	unsigned version = flags & 7;

	if (!cursor_ok(&c))
		return decode_odd(p, EVENT_GRE_PKT_TOO_SMALL);
	if (version > 1)
		return decode_odd(p, EVENT_GRE_WRONG_VERSION);
	if (flags & 0xc000 && version == 0)
		cursor_skip(&c, 4); /* checksum and offset */
	if (flags & 0x2000)
		cursor_skip(&c, 4); /* key */
	if (flags & 0x1000)
		cursor_skip(&c, 4); /* sequence number */
	if (version == 1 && flags & 0x0080)
		cursor_skip(&c, 4); /* acknowledgement */
	if (type == ETH_ERSPAN2 && flags & 0x1000) {
		cursor_skip(&c, 8);
		type = ETH_TEB;
	}
	if (!cursor_ok(&c))
		return decode_odd(p, EVENT_GRE_PKT_TOO_SMALL);
	p->payload = cursor_rest(&c);
	inner_by_ethertype(p, type, p->payload);
	return DECODE_OK;
}

/* Authentication and origin indications may stand before the IPv6 header. */
static void teredo(struct packet *p)
{
	struct cursor c = cursor_of(p->payload);

	if (p->payload.n >= 2 && p->payload.p[0] == 0 && p->payload.p[1] == 1) {
		cursor_skip(&c, 2);
		uint8_t id = cursor_u8(&c), authentication = cursor_u8(&c);
		cursor_skip(&c, (size_t)id + authentication + 9);
	}
	struct span rest = cursor_rest(&c);
	if (rest.n >= 2 && rest.p[0] == 0 && rest.p[1] == 0)
		rest = span_skip(rest, 8);
	if (!cursor_ok(&c) || rest.n < 40 || rest.p[0] >> 4 != 6)
		return;
	if ((size_t)(rest.p[4] << 8 | rest.p[5]) + 40 != rest.n)
		return; /* chance, not Teredo */
	p->inner = rest;
	p->inner_kind = INNER_IP;
}

static void vxlan(struct packet *p)
{
	struct span b = p->payload;

	/* The I flag alone, and the reserved bytes 0. */
	if (b.n < 8 + ETH_HLEN || (b.p[0] & 0x08) == 0 || b.p[7] != 0)
		return;
	p->inner = span_skip(b, 8);
	p->inner_kind = INNER_ETHERNET;
}

static void geneve(struct packet *p)
{
	struct cursor c = cursor_of(p->payload);
	uint8_t first = cursor_u8(&c);

	cursor_skip(&c, 1);
	uint16_t type = cursor_be16(&c);
	cursor_skip(&c, 4 + (first & 0x3f) * 4u);
	if (cursor_ok(&c) && first >> 6 == 0)
		inner_by_ethertype(p, type, cursor_rest(&c));
}

#define GTP_G_PDU 255
#define GTP_EXTENSIONS 8

/* What carries a user's packet (G-PDU); the outer addresses are those of the operator's machines,
 * so no flow is made of them. */
static void gtp_u(struct packet *p)
{
	struct cursor c = cursor_of(p->payload);
	uint8_t flags = cursor_u8(&c), type = cursor_u8(&c);
	uint16_t length = cursor_be16(&c);

	cursor_skip(&c, 4); /* tunnel endpoint */
	if (!cursor_ok(&c) || flags >> 4 != 3 || type != GTP_G_PDU || length != cursor_left(&c))
		return;
	if (flags & 7) {
		cursor_skip(&c, 3); /* sequence number, N-PDU number */
		uint8_t next = cursor_u8(&c);
		for (unsigned i = 0; next; i++) {
			unsigned words = cursor_u8(&c);
			if (i == GTP_EXTENSIONS || words == 0)
				return;
			cursor_skip(&c, words * 4u - 2);
			next = cursor_u8(&c);
		}
	}
	struct span rest = cursor_rest(&c);
	if (!cursor_ok(&c) || rest.n == 0 || (rest.p[0] >> 4 != 4 && rest.p[0] >> 4 != 6))
		return;
	p->inner = rest;
	p->inner_kind = INNER_IP;
	p->only_carries = true;
}

void decode_udp_tunnel(struct packet *p)
{
	if (p->dst_port == PORT_GTP_U)
		gtp_u(p);
	else if (p->dst_port == PORT_VXLAN)
		vxlan(p);
	else if (p->dst_port == PORT_GENEVE)
		geneve(p);
	else if (p->dst_port == PORT_TEREDO || p->src_port == PORT_TEREDO)
		teredo(p);
}
