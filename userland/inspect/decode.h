/*
 * decode: bytes of a frame or of an IP packet -> struct packet. A pure function.
 *
 * The queue hands over bytes from the network header on (decode_ip); a capture begins at its link
 * layer (decode_link: Ethernet, Linux cooked, BSD loopback, raw IP, PPP, Cisco HDLC), with up to
 * two VLAN tags, MPLS and PPPoE between. Spans of the packet point into the caller's bytes. A
 * packet that carries another one (GRE, IP in IP, Teredo, VXLAN, GENEVE, GTP-U) has `inner` set,
 * which decode_inner() reads.
 *
 * Refuses (DECODE_INVALID): headers that contradict themselves or the bytes there are, with an
 * event that says what. What is not IP is DECODE_UNKNOWN. A fragment is DECODE_FRAGMENT: it has no
 * ports; defrag.h puts them together, decode_whole() reads the result. A packet shorter than its IP
 * length says is taken as far as it goes and marked truncated.
 *
 * Limits: DECODE_TAGS VLAN tags, DECODE_LABELS of MPLS, DECODE_EXTENSIONS IPv6 extension headers;
 * more is DECODE_INVALID.
 * Checksums are not verified: GSO packets have none yet. Sources: RFC 791, RFC 8200, RFC 9293,
 * RFC 768, RFC 792, RFC 4443, IEEE 802.1Q, RFC 2516.
 */
#pragma once

#include <sys/time.h>

#include "inspect/detect.h"

#define DECODE_TAGS 2
#define DECODE_LINK_BYTES 64 /* of a link header that is shown */
#define DECODE_EXTENSIONS 16
#define DECODE_LABELS 8

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20
#define TCP_NO_WSCALE 255

/* Where a packet comes from: pkt_src in events. */
enum packet_origin {
	ORIGIN_WIRE,
	ORIGIN_DEFRAG,
	ORIGIN_TUNNEL4,
	ORIGIN_TUNNEL6,
	ORIGIN_STREAM, /* made up at the end of a flow */
	ORIGIN_COUNT
};
const char *packet_origin_name(enum packet_origin o);

enum decode_result { DECODE_OK, DECODE_FRAGMENT, DECODE_INVALID, DECODE_UNKNOWN };

enum inner_kind { INNER_NONE, INNER_IP, INNER_ETHERNET, INNER_PPP, INNER_VLAN };

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
	bool unsummed; /* checksums are still to be filled in by hardware */
	uint8_t tcp_flags;
	uint32_t seq, ack;
	uint8_t icmp_type, icmp_code;
	uint16_t icmp_id; /* of an echo, else 0 */
	uint8_t tos;
	uint16_t ip_id;
	bool dont_fragment, more_fragments, reserved_bit;
	uint16_t fragment_offset; /* in bytes */
	uint16_t icmp_seq;        /* of an echo, else 0 */
	uint16_t tcp_window, tcp_urgent;
	uint16_t mss;       /* option of TCP, 0 without */
	uint8_t tcp_wscale; /* shift; TCP_NO_WSCALE without the option */
	bool has_tcp_timestamp;
	bool has_fast_open;
	uint32_t tcp_tsval, tcp_tsecr;
	uint16_t udp_length;                  /* as the header says */
	const uint8_t *ether_src, *ether_dst; /* NULL without Ethernet */
	struct span ip;                       /* from the IP header on */
	struct span ip_header;                /* with options or extension headers */
	struct span ip_options;               /* of IPv4 */
	struct span transport;                /* the header of TCP, UDP or ICMP, with options */
	struct span payload;                  /* after the transport header */
	struct event_list events;
	bool has_fragment_header; /* of IPv6 */
	uint8_t fragment_next;    /* protocol behind the header of IPv6 */
	uint32_t fragment_id;
	struct span fragment; /* what a fragment carries */
	enum inner_kind inner_kind;
	bool only_carries; /* in UDP, but the flows are those inside */
	struct span inner;
	const struct packet *outer; /* that this one came in; NULL: none */
	enum packet_origin origin;
	struct span frame;   /* from the link header on; p == NULL: not kept */
	int link;            /* DLT_ of frame */
	uint32_t wire_bytes; /* with link header, where that is seen */
};

/* link is a DLT_ value of libpcap. The packet's time and number are the caller's to set. */
enum decode_result decode_link(int link, struct span frame, struct packet *ret);
enum decode_result decode_ip(struct span bytes, struct packet *ret);
/* The packet that another one carries. outer must outlive it. */
enum decode_result decode_inner(const struct packet *outer, struct packet *ret);
/* Of the header before IP, where it is at hand and in no other packet; else 0. */
size_t packet_link_bytes(const struct packet *p);
/* A packet that was put together of fragments, of which `last` came last: its link header stands
 * before bytes. */
enum decode_result decode_whole(struct span bytes, const struct packet *last, struct packet *ret);
bool decode_link_is_known(int link);
/* "EN10MB" */
const char *decode_link_name(int link);
