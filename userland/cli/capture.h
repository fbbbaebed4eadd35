/*
 * capture: a bounded look at the packets of one interface.
 *
 * boxd opens the packet socket and hands it over; reading and telling what a packet is happens
 * here, without privileges. Packets go into a pcap file, or one a line onto the terminal: time,
 * protocol, addresses, ports, length.
 *
 * Limits: pkts_max, seconds_max, CAPTURE_BYTES_MAX of pcap; a packet is cut at CAPTURE_SNAP_BYTES.
 * What is not read in time the kernel drops: a capture never slows the traffic.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/span.h"

#define CAPTURE_PKTS 100
#define CAPTURE_PKTS_MAX 100000
#define CAPTURE_SECONDS_MAX 60
#define CAPTURE_SNAP_BYTES 2048
#define CAPTURE_BYTES_MAX (32u << 20)

struct capture {
	unsigned long pkts_max, seconds_max;
	int family;              /* of address; 0: any */
	struct in6_addr address; /* the first four bytes for IPv4 */
	uint16_t port;           /* 0: any */
	FILE *pcap;              /* NULL: lines on stdout */
	/* what came */
	unsigned long pkts;
	uint64_t bytes;
};

/* What a frame is, as far as its headers say. */
struct capture_packet {
	int family; /* 0: neither IPv4 nor IPv6 */
	uint16_t ethertype;
	uint8_t protocol;
	struct in6_addr src, dst;
	uint16_t sport, dport; /* 0: none, or a later fragment */
};

/* Takes an address from text. */
bool capture_address(struct capture *c, const char *text);
void capture_decode(struct span frame, struct capture_packet *ret);
bool capture_wants(const struct capture *c, const struct capture_packet *p);
/* "tcp 10.0.0.1:25 > 10.0.0.2:4000". */
void capture_describe(const struct capture_packet *p, char *out, size_t cap);
/* Until a limit or Ctrl-C. 0 or -errno. */
int capture_run(int fd, struct capture *c);
