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
 * Where segments that only acknowledge are not shown (`bare`), data ends the handshake, from
 * whichever side, and the second FIN the connection; what a side has acknowledged and offered is
 * then not known, so only a leap of more than any window is out of it.
 *
 * Picked up midway, the connection is taken as established with what the first packets say, and
 * windows are taken as wide as they can be. Of one that is seen in one direction only (`async`)
 * acknowledgements are not checked.
 *
 * Packets may pass unseen while inspection is out of the path (a lapse of the heartbeat, a full
 * queue). Then both sides speak of what was not seen, and go on doing so: refusing it would end an
 * honest connection. One side may lie, and what it claims is refused; when both do, or when it is
 * known that packets passed, the connection is picked up midway again (tcp_pick_up_again).
 *
 * A client may send different SYNs (an evasion: the server sees but one of them): the server's
 * answer tells which counts, of the last TCP_SYNS; more than TCP_SYNS_USUAL are an event each.
 *
 * The states are named as Suricata names them: after who closes first, the server (fin_wait1) or
 * the client (close_wait). A reset whose sender goes on sending was injected: it is taken back.
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

/* Different SYNs of a client of which the server may answer any, and as many as are usual. */
#define TCP_SYNS 4
#define TCP_SYNS_USUAL 10

enum tcp_fate { TCP_TRACK, TCP_INVALID, TCP_UNTRACKED };

struct tcp_side {
	uint32_t isn;
	uint32_t next;   /* behind the highest byte sent */
	uint32_t acked;  /* of these bytes, by the other side */
	uint32_t window; /* that this side has offered, in bytes */
	uint32_t ts;     /* last timestamp value */
	uint32_t syn_ts; /* of the first SYN with this isn */
	uint8_t wscale;
	bool known; /* isn or a first packet was seen */
	bool syn, fin, has_ts;
	bool ahead;  /* its last packet speaks of what was not seen */
	bool behind; /* what it sends next may lie behind a hole that nobody will fill */
};

struct tcp {
	enum tcp_state state;
	enum tcp_state before_reset; /* with by_reset */
	bool reset_by_server;
	bool midstream, async, four_way, by_reset;
	bool bare;    /* segments that only acknowledge are not shown (ADR 0018) */
	uint8_t syns; /* of the client that differed from the one before */
	uint32_t other_isn[TCP_SYNS];
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

/* Packets have passed unseen: what comes next says where both sides are. */
void tcp_pick_up_again(struct tcp *t);

/* A packet of a connection that is not followed any more: it may be its end. */
void tcp_end(struct tcp *t, const struct packet *p, bool from_server);

/* The last acknowledgement of the handshake was not shown: data says that it was there. */
static inline bool tcp_ends_handshake(const struct tcp *t, const struct packet *p)
{
	return t->bare && t->state == TCP_SYN_RECV && p->payload.n &&
	       !(p->tcp_flags & (TCP_SYN | TCP_RST));
}

static inline bool tcp_is_established(const struct tcp *t)
{
	return t->state >= TCP_ESTABLISHED;
}

static inline bool tcp_is_closed(const struct tcp *t)
{
	return t->state == TCP_CLOSED || t->state == TCP_TIME_WAIT;
}
