/*
 * decode: bytes of a frame or of an IP packet -> struct packet. A pure function.
 *
 * The queue hands over bytes from the network header on (decode_ip); a capture begins at its link
 * layer (decode_link: Ethernet, Linux cooked, BSD loopback, raw IP, PPP), with up to two VLAN tags
 * and PPPoE between. Spans of the packet point into the caller's bytes.
 *
 * Refuses (DECODE_INVALID): headers that contradict themselves or the bytes there are. What is not
 * IP is DECODE_UNKNOWN. A fragment that is not the first is DECODE_FRAGMENT: it has no ports; the
 * kernel's connection tracking reassembles before the queue, so only captures meet them. A packet
 * shorter than its IP length says is taken as far as it goes and marked truncated.
 *
 * Limits: DECODE_TAGS VLAN tags, DECODE_EXTENSIONS IPv6 extension headers; more is DECODE_INVALID.
 * Checksums are not verified: GSO packets have none yet. Sources: RFC 791, RFC 8200, RFC 9293,
 * RFC 768, RFC 792, RFC 4443, IEEE 802.1Q, RFC 2516.
 */
#pragma once

#include <sys/time.h>

#include "inspect/detect.h"

#define DECODE_TAGS 2
#define DECODE_EXTENSIONS 16

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

enum decode_result { DECODE_OK, DECODE_FRAGMENT, DECODE_INVALID, DECODE_UNKNOWN };

struct packet {
	struct timeval at;
	uint64_t number; /* in the capture, from 1; 0 when live */
	uint16_t vlan[DECODE_TAGS];
	uint8_t vlan_n;
	struct detect_addr src, dst;
	uint16_t src_port, dst_port; /* host order; 0 without ports */
	uint8_t ip_proto;
	uint8_t ttl;
	bool truncated;
	uint8_t tcp_flags;
	uint32_t seq, ack;
	uint8_t icmp_type, icmp_code;
	uint16_t icmp_id;    /* of an echo, else 0 */
	struct span ip;      /* from the IP header on */
	struct span payload; /* after the transport header */
};

/* link is a DLT_ value of libpcap. The packet's time and number are the caller's to set. */
enum decode_result decode_link(int link, struct span frame, struct packet *ret);
enum decode_result decode_ip(struct span bytes, struct packet *ret);
bool decode_link_is_known(int link);
