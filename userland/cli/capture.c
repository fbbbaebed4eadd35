#include "cli/capture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "cli/interrupt.h"

#define PCAP_MAGIC 0xa1b2c3d4u /* microseconds; the writer's byte order */
#define DLT_EN10MB 1
#define TAGS_MAX 2 /* 802.1Q in 802.1ad */

bool capture_address(struct capture *c, const char *text)
{
	c->family = inet_pton(AF_INET, text, &c->address) == 1    ? AF_INET
		    : inet_pton(AF_INET6, text, &c->address) == 1 ? AF_INET6
								  : 0;
	return c->family != 0;
}

static void decode_ports(struct cursor *c, struct capture_packet *p)
{
	if (p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP)
		return;
	p->sport = cursor_be16(c);
	p->dport = cursor_be16(c);
}

static void decode_ip4(struct cursor c, struct capture_packet *p)
{
	uint8_t first = cursor_u8(&c);

	cursor_skip(&c, 5);
	bool later = (cursor_be16(&c) & 0x1fff) != 0;
	cursor_skip(&c, 1);
	p->protocol = cursor_u8(&c);
	cursor_skip(&c, 2);
	struct span src = cursor_take(&c, 4), dst = cursor_take(&c, 4);
	size_t options = (first & 15u) > 5 ? ((first & 15u) - 5) * 4 : 0;
	cursor_skip(&c, options);
	if (!cursor_ok(&c) || first >> 4 != 4)
		return;
	p->family = AF_INET;
	memcpy(&p->src, src.p, 4);
	memcpy(&p->dst, dst.p, 4);
	if (!later)
		decode_ports(&c, p);
}

static void decode_ip6(struct cursor c, struct capture_packet *p)
{
	uint8_t first = cursor_u8(&c);

	cursor_skip(&c, 5);
	p->protocol = cursor_u8(&c);
	cursor_skip(&c, 1);
	struct span src = cursor_take(&c, 16), dst = cursor_take(&c, 16);
	if (!cursor_ok(&c) || first >> 4 != 6)
		return;
	p->family = AF_INET6;
	memcpy(&p->src, src.p, 16);
	memcpy(&p->dst, dst.p, 16);
	decode_ports(&c, p);
}

void capture_decode(struct span frame, struct capture_packet *ret)
{
	struct cursor c = cursor_of(frame);

	*ret = (struct capture_packet){0};
	cursor_skip(&c, 12);
	ret->ethertype = cursor_be16(&c);
	for (int i = 0;
		i < TAGS_MAX && (ret->ethertype == ETHERTYPE_VLAN || ret->ethertype == 0x88a8);
		i++) {
		cursor_skip(&c, 2);
		ret->ethertype = cursor_be16(&c);
	}
	if (!cursor_ok(&c))
		return;
	if (ret->ethertype == ETHERTYPE_IP)
		decode_ip4(c, ret);
	else if (ret->ethertype == ETHERTYPE_IPV6)
		decode_ip6(c, ret);
}

bool capture_wants(const struct capture *c, const struct capture_packet *p)
{
	size_t n = c->family == AF_INET ? 4 : 16;

	if (c->family && (p->family != c->family || (memcmp(&p->src, &c->address, n) != 0 &&
							    memcmp(&p->dst, &c->address, n) != 0)))
		return false;
	return !c->port || p->sport == c->port || p->dport == c->port;
}

void capture_describe(const struct capture_packet *p, char *out, size_t cap)
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = {{IPPROTO_TCP, "tcp"}, {IPPROTO_UDP, "udp"}, {IPPROTO_ICMP, "icmp"},
		{IPPROTO_ICMPV6, "icmp6"}};
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], number[16];
	const char *name = number;

	if (!p->family) {
		snprintf(out, cap, "%s 0x%04x", p->ethertype == ETHERTYPE_ARP ? "arp" : "ethertype",
			p->ethertype);
		return;
	}
	snprintf(number, sizeof(number), "ip-%u", p->protocol);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].number == p->protocol)
			name = names[i].name;
	inet_ntop(p->family, &p->src, src, sizeof(src));
	inet_ntop(p->family, &p->dst, dst, sizeof(dst));
	if (p->sport || p->dport)
		snprintf(out, cap, "%s %s:%u > %s:%u", name, src, p->sport, dst, p->dport);
	else
		snprintf(out, cap, "%s %s > %s", name, src, dst);
}

static void put_head(FILE *out)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		int32_t zone;
		uint32_t accuracy, snap, link;
	} head = {PCAP_MAGIC, 2, 4, 0, 0, CAPTURE_SNAP_BYTES, DLT_EN10MB};

	fwrite(&head, sizeof(head), 1, out);
}

static void put_packet(FILE *out, const struct timeval *at, struct span frame, size_t whole)
{
	const uint32_t head[4] = {
		(uint32_t)at->tv_sec, (uint32_t)at->tv_usec, (uint32_t)frame.n, (uint32_t)whole};

	fwrite(head, sizeof(head), 1, out);
	fwrite(frame.p, 1, frame.n, out);
}

static void put_line(const struct timeval *at, const struct capture_packet *p, size_t whole)
{
	char text[160], when[16];
	struct tm tm;

	localtime_r(&at->tv_sec, &tm);
	strftime(when, sizeof(when), "%T", &tm);
	capture_describe(p, text, sizeof(text));
	printf("%s.%03u %s, %zu bytes\n", when, (unsigned)(at->tv_usec / 1000), text, whole);
	fflush(stdout);
}

static void take(struct capture *c, struct span frame, size_t whole)
{
	struct capture_packet p;
	struct timeval at;

	capture_decode(frame, &p);
	if (!capture_wants(c, &p))
		return;
	gettimeofday(&at, NULL);
	c->pkts++;
	c->bytes += whole;
	if (c->pcap)
		put_packet(c->pcap, &at, frame, whole);
	else
		put_line(&at, &p, whole);
}

int capture_run(int fd, struct capture *c)
{
	uint8_t frame[CAPTURE_SNAP_BYTES];
	uint64_t written = 0;
	time_t end = time(NULL) + (time_t)c->seconds_max;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (c->pcap)
		put_head(c->pcap);
	while (!interrupted() && c->pkts < c->pkts_max && time(NULL) < end &&
		written < CAPTURE_BYTES_MAX) {
		if (poll(&p, 1, 500) <= 0)
			continue;
		ssize_t n = recv(fd, frame, sizeof(frame), MSG_TRUNC | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n <= 0)
			continue;
		size_t kept = (size_t)n < sizeof(frame) ? (size_t)n : sizeof(frame);
		take(c, span_of(frame, kept), (size_t)n);
		written += kept;
	}
	if (c->pcap && fflush(c->pcap) != 0)
		return -EIO;
	return 0;
}
