#include "inspect/reject.h"

#include "inspect/checksum.h"

#define TCP_HEADER_BYTES 20
#define IP4_HEADER_MAX 60
#define IP6_HEADER_BYTES 40

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static size_t write_ip4(const struct packet *p, uint8_t *out)
{
	size_t n = p->ip_header.n;

	if (n < 20 || n > IP4_HEADER_MAX)
		return 0;
	memcpy(out, p->ip_header.p, n);
	put16(out + 2, (unsigned)n + TCP_HEADER_BYTES);
	put16(out + 10, 0);
	put16(out + 10, checksum_fold(checksum_add(0, out, n)));
	return n;
}

/* Without extension headers: they belong to what is not sent. */
static size_t write_ip6(const struct packet *p, uint8_t *out)
{
	if (p->ip_header.n < IP6_HEADER_BYTES)
		return 0;
	memcpy(out, p->ip_header.p, IP6_HEADER_BYTES);
	put16(out + 4, TCP_HEADER_BYTES);
	out[6] = IPPROTO_TCP;
	return IP6_HEADER_BYTES;
}

size_t reject_write(const struct packet *p, enum reject_as as, uint8_t out[static REJECT_BYTES])
{
	size_t addr_n = p->src.family == 6 ? 16 : 4;

	if (p->ip_proto != IPPROTO_TCP || p->tcp_flags & TCP_SYN || p->outer)
		return 0;
	size_t n = p->src.family == 6 ? write_ip6(p, out) : write_ip4(p, out);
	if (n == 0)
		return 0;
	uint8_t *t = out + n;
	memset(t, 0, TCP_HEADER_BYTES);
	put16(t, p->src_port);
	put16(t + 2, p->dst_port);
	put32(t + 4, p->seq);
	put32(t + 8, p->ack);
	t[12] = TCP_HEADER_BYTES / 4 << 4;
	t[13] = (uint8_t)((as == REJECT_AS_RST ? TCP_RST : 0) | (p->tcp_flags & TCP_ACK));
	put16(t + 14, as == REJECT_AS_RST ? 0 : p->tcp_window);
	uint32_t s = checksum_add(IPPROTO_TCP + TCP_HEADER_BYTES, p->src.bytes, addr_n);
	s = checksum_add(s, p->dst.bytes, addr_n);
	put16(t + 16, checksum_fold(checksum_add(s, t, TCP_HEADER_BYTES)));
	return n + TCP_HEADER_BYTES;
}
