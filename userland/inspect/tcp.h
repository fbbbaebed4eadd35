/*
 * tcp: follows the state of one TCP connection and says which packets belong to it.
 *
 * tcp_packet() is asked for each packet of a TCP flow. It checks the packet against what both sides
 * have said so far (RFC 9293, section 3.10.7) and moves the state. TCP_TRACK: its payload goes into
 * the stream and its acknowledgement counts. TCP_INVALID: the receiver will not take it, so neither
 * do we (in line it is dropped, or it could be used to feed us what the receiver never sees).
 * TCP_UNTRACKED: there is no connection that we know from its start, and it is not to be picked up
 * midway.
 *
 * Picked up midway, the connection is taken as established with what the first packets say, and
 * windows are taken as wide as they can be. Of one that is seen in one direction only (`async`)
 * acknowledgements are not checked.
 *
 * Oddities are events of the packet. Sources: RFC 9293; RFC 7323 (window scale, timestamps); RFC
 * 7413 (data in SYN).
 */
#pragma once

#include "inspect/decode.h"

enum tcp_state {
	TCP_NONE,
	TCP_SYN_SENT,
	TCP_SYN_RECV,
	TCP_ESTABLISHED,
	TCP_FIN_WAIT1,
	TCP_FIN_WAIT2,
	TCP_TIME_WAIT,
	TCP_LAST_ACK,
	TCP_CLOSE_WAIT,
	TCP_CLOSING,
	TCP_CLOSED
};

enum tcp_fate { TCP_TRACK, TCP_INVALID, TCP_UNTRACKED };

struct tcp_side {
	uint32_t isn;
	uint32_t next;   /* behind the highest byte sent */
	uint32_t acked;  /* of these bytes, by the other side */
	uint32_t window; /* that this side has offered, in bytes */
	uint32_t ts;     /* last timestamp value */
	uint8_t wscale;
	bool known; /* isn or a first packet was seen */
	bool syn, fin, has_ts;
};

struct tcp {
	enum tcp_state state;
	bool midstream, async, four_way, by_reset;
	struct tcp_side side[2]; /* by sender: 0 the client */
};

struct tcp_options {
	bool midstream, async;
};

/* from_server: who sent it. Events are raised in *events. */
enum tcp_fate tcp_packet(struct tcp *t, const struct tcp_options *o, const struct packet *p,
	bool from_server, struct event_list *events);
/* "syn_sent" */
const char *tcp_state_name(enum tcp_state s);

static inline bool tcp_is_established(const struct tcp *t)
{
	return t->state >= TCP_ESTABLISHED;
}

static inline bool tcp_is_closed(const struct tcp *t)
{
	return t->state == TCP_CLOSED || t->state == TCP_TIME_WAIT;
}
