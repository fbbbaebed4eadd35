#include "box/frame.h"

#include <netinet/in.h>

#define HEADERS (14 + 20 + 20)

/* 192.0.2.1 asks 192.0.2.2 (TEST-NET-1, RFC 5737); locally administered MAC addresses. */
static const uint8_t client_ip[4] = {192, 0, 2, 1}, server_ip[4] = {192, 0, 2, 2};
static const uint8_t client_mac[6] = {2, 0, 0x5e, 0x7e, 0x57, 1};
static const uint8_t server_mac[6] = {2, 0, 0x5e, 0x7e, 0x57, 2};

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint32_t sum16(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

/* RFC 1071. */
static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_ip(uint8_t *ip, const struct frame *f, size_t bytes)
{
	ip[0] = 0x45;
	put16(ip + 2, (uint32_t)bytes);
	put16(ip + 6, 0x4000); /* do not fragment */
	ip[8] = 64;
	ip[9] = IPPROTO_TCP;
	memcpy(ip + 12, f->from_client ? client_ip : server_ip, 4);
	memcpy(ip + 16, f->from_client ? server_ip : client_ip, 4);
	put16(ip + 10, fold(sum16(ip, 20, 0)));
}

size_t frame_make(const struct frame *f, uint8_t out[FRAME_BYTES])
{
	size_t n = f->payload ? strlen(f->payload) : 0;
	uint8_t *ip = out + 14, *tcp = ip + 20;

	if (n > FRAME_BYTES - HEADERS)
		return 0;
	memset(out, 0, HEADERS);
	memcpy(out, f->from_client ? server_mac : client_mac, 6);
	memcpy(out + 6, f->from_client ? client_mac : server_mac, 6);
	put16(out + 12, 0x0800);
	put_ip(ip, f, 40 + n);
	put16(tcp, f->from_client ? f->client_port : FRAME_SERVER_PORT);
	put16(tcp + 2, f->from_client ? FRAME_SERVER_PORT : f->client_port);
	put32(tcp + 4, f->seq);
	put32(tcp + 8, f->ack);
	tcp[12] = 5 << 4;
	tcp[13] = f->flags;
	put16(tcp + 14, 65535);
	if (n)
		memcpy(tcp + 20, f->payload, n);
	/* The pseudo header: addresses, protocol, length. */
	uint32_t sum = sum16(ip + 12, 8, IPPROTO_TCP + (uint32_t)(20 + n));
	put16(tcp + 16, fold(sum16(tcp, 20 + n, sum)));
	return HEADERS + n;
}

bool frame_is(struct span in, const struct frame *f)
{
	uint8_t want[FRAME_BYTES];
	size_t n = frame_make(f, want);

	/* Addresses, then ports and both numbers, flags, and what is carried. */
	return n && in.n >= n && memcmp(in.p + 26, want + 26, 8) == 0 &&
	       memcmp(in.p + 34, want + 34, 12) == 0 && in.p[47] == want[47] &&
	       memcmp(in.p + HEADERS, want + HEADERS, n - HEADERS) == 0;
}
