#include "inspect/tcp.h"

#define WINDOW_MAX (1u << 30)
#define WSCALE_MAX 14

/* A packet and both sides as it sees them. */
struct segment_in {
	struct tcp *t;
	const struct packet *p;
	struct tcp_side *me, *peer;
	bool from_server;
	const struct tcp_options *o;
	struct event_list *events;
	uint32_t end; /* behind its last sequence number, SYN and FIN counted */
};

static int32_t seq_diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

const char *tcp_state_name(enum tcp_state s)
{
	static const char *const names[] = {"none", "syn_sent", "syn_recv", "established",
		"fin_wait1", "fin_wait2", "time_wait", "last_ack", "close_wait", "closing",
		"closed"};

	return names[s];
}

static enum tcp_fate refuse(struct segment_in *s, enum event_id id)
{
	event_raise(s->events, id);
	return TCP_INVALID;
}

static void take_window(struct segment_in *s)
{
	uint8_t shift = s->p->tcp_flags & TCP_SYN ? 0 : s->me->wscale;

	s->me->window = (uint32_t)s->p->tcp_window << shift;
}

static void take_timestamp(struct segment_in *s)
{
	if (!s->p->has_tcp_timestamp)
		return;
	s->me->has_ts = true;
	s->me->ts = s->p->tcp_tsval;
}

static void take_sent(struct segment_in *s)
{
	if (!s->me->known || seq_diff(s->end, s->me->next) > 0)
		s->me->next = s->end;
	s->me->known = true;
	take_timestamp(s);
}

static void take_syn(struct segment_in *s)
{
	uint8_t scale = s->p->tcp_wscale;

	if (!s->me->syn || s->p->seq != s->me->isn)
		s->me->syn_ts = s->p->tcp_tsval;
	s->me->isn = s->p->seq;
	s->me->acked = s->p->seq + 1;
	s->me->syn = s->me->known = true;
	s->me->next = s->end;
	s->me->wscale = scale == TCP_NO_WSCALE ? 0 : scale > WSCALE_MAX ? WSCALE_MAX : scale;
	take_window(s);
	take_timestamp(s);
}

static void take_ack(struct segment_in *s)
{
	if (!(s->p->tcp_flags & TCP_ACK))
		return;
	if (seq_diff(s->p->ack, s->peer->acked) > 0 || !s->peer->known)
		s->peer->acked = s->p->ack;
	take_window(s);
}

/* Both agree on window scaling or neither does it. */
static void settle_wscale(struct segment_in *s)
{
	if (s->p->tcp_wscale != TCP_NO_WSCALE)
		return;
	s->me->wscale = s->peer->wscale = 0;
}

static void pick_up(struct segment_in *s)
{
	s->t->midstream = true;
	s->me->wscale = s->peer->wscale = WSCALE_MAX;
	s->me->isn = s->p->seq - 1;
	s->me->acked = s->p->seq;
	s->me->next = s->end;
	s->me->known = true;
	if (s->p->tcp_flags & TCP_ACK) {
		s->peer->isn = s->p->ack - 1;
		s->peer->next = s->peer->acked = s->p->ack;
		s->peer->known = true;
	}
	take_window(s);
	s->peer->window = WINDOW_MAX;
	take_timestamp(s);
}

static enum tcp_fate on_none(struct segment_in *s)
{
	uint8_t flags = s->p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);

	if (flags & TCP_RST)
		return TCP_UNTRACKED;
	if (flags & TCP_SYN && flags & TCP_FIN)
		return refuse(s, EVENT_STREAM_FIN_SYN);
	if (flags == TCP_SYN) {
		take_syn(s);
		s->t->state = TCP_SYN_SENT;
		return TCP_TRACK;
	}
	if (!s->o->midstream && !(s->o->async && flags == (TCP_SYN | TCP_ACK)))
		return TCP_UNTRACKED;
	if (flags == (TCP_SYN | TCP_ACK)) {
		take_syn(s);
		s->t->midstream = true;
		s->peer->isn = s->p->ack - 1;
		s->peer->next = s->peer->acked = s->p->ack;
		s->peer->known = s->peer->syn = true;
		s->peer->wscale = WSCALE_MAX;
		s->peer->window = WINDOW_MAX;
		s->t->state = TCP_SYN_RECV;
		return TCP_TRACK;
	}
	pick_up(s);
	s->t->state = flags & TCP_FIN ? TCP_FIN_WAIT1 : TCP_ESTABLISHED;
	s->me->fin = flags & TCP_FIN;
	return TCP_TRACK;
}

/* Where it may be a lie it is known again from what follows (after_reset). */
static enum tcp_fate take_reset(struct segment_in *s)
{
	s->t->before_reset = s->t->state;
	s->t->reset_by_server = s->from_server;
	s->t->by_reset = true;
	s->t->state = TCP_CLOSED;
	return TCP_TRACK;
}

/* RFC 7323, section 3.2: the answer to a SYN gives its timestamp back, of the first or a repeated
 * one. Who does not know it has not seen the SYN. */
static bool echo_is_wrong(const struct segment_in *s)
{
	const struct tcp_side *syn = s->peer;

	if (!s->p->has_tcp_timestamp || s->p->tcp_tsecr == 0 || s->t->syns)
		return false;
	if (!syn->has_ts)
		return true;
	return syn->ts != 0 && (seq_diff(s->p->tcp_tsecr, syn->syn_ts) < 0 ||
				       seq_diff(s->p->tcp_tsecr, syn->ts) > 0);
}

/* The SYN that this acknowledges, when it is not the last one. */
static void adopt_syn(struct segment_in *s)
{
	for (unsigned i = 0; i < TCP_SYNS && i < s->t->syns; i++)
		if (s->p->ack == s->t->other_isn[i] + 1) {
			s->peer->isn = s->t->other_isn[i];
			s->peer->next = s->peer->acked = s->p->ack;
			return;
		}
}

static void take_further_syn(struct segment_in *s)
{
	struct tcp *t = s->t;

	if (s->p->seq != s->me->isn) {
		t->other_isn[t->syns % TCP_SYNS] = s->me->isn;
		t->syns = (uint8_t)(t->syns + (t->syns < UINT8_MAX));
		if (t->syns > TCP_SYNS_USUAL)
			event_raise(s->events, EVENT_STREAM_3WHS_SYN_FLOOD);
	}
	take_syn(s);
}

static enum tcp_fate syn_sent_from_server(struct segment_in *s, uint8_t flags)
{
	if (echo_is_wrong(s))
		return refuse(s, EVENT_STREAM_PKT_INVALID_TIMESTAMP);
	if (flags & TCP_RST) {
		if (flags & TCP_ACK && seq_diff(s->p->ack, s->peer->isn + 1) < 0)
			return refuse(s, EVENT_STREAM_RST_INVALID_ACK);
		return take_reset(s);
	}
	if ((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) { /* both open: simultaneous or split */
		s->t->four_way = true;
		take_syn(s);
		return TCP_TRACK;
	}
	if (flags & TCP_SYN) {
		adopt_syn(s);
		/* Data in the SYN may be acknowledged or not (RFC 7413, section 4.2). */
		if (seq_diff(s->p->ack, s->peer->isn + 1) < 0 ||
			seq_diff(s->p->ack, s->peer->next) > 0)
			return refuse(s, EVENT_STREAM_3WHS_SYNACK_WITH_WRONG_ACK);
		take_syn(s);
		settle_wscale(s);
		s->peer->acked = s->p->ack;
		s->t->state = TCP_SYN_RECV;
		return TCP_TRACK;
	}
	return s->t->four_way && flags & TCP_ACK ? TCP_TRACK : TCP_UNTRACKED;
}

static enum tcp_fate syn_sent_from_client(struct segment_in *s, uint8_t flags)
{
	if (flags & TCP_RST) /* of what it answers to there was nothing that counts */
		return TCP_UNTRACKED;
	if ((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		take_further_syn(s);
		return TCP_TRACK;
	}
	if (flags & TCP_SYN) {
		if (!s->t->four_way)
			return refuse(s, EVENT_STREAM_3WHS_SYNACK_IN_WRONG_DIRECTION);
		if (s->p->ack != s->peer->isn + 1)
			return refuse(s, EVENT_STREAM_4WHS_SYNACK_WITH_WRONG_ACK);
		take_syn(s);
		s->t->state = TCP_SYN_RECV;
		return TCP_TRACK;
	}
	if (!s->o->async)
		return TCP_UNTRACKED;
	if (s->p->seq != s->me->next)
		return refuse(s, EVENT_STREAM_3WHS_ASYNC_WRONG_SEQ);
	s->t->async = true;
	s->peer->isn = s->p->ack - 1;
	s->peer->next = s->peer->acked = s->p->ack;
	s->peer->known = true;
	s->peer->window = WINDOW_MAX;
	take_sent(s);
	s->t->state = TCP_ESTABLISHED;
	return TCP_TRACK;
}

static enum tcp_fate on_established(struct segment_in *s);

/* The most that a sender may be ahead: what the other side has offered, or can offer at all. */
static uint32_t window_of(const struct segment_in *s)
{
	if (s->t->bare)
		return 0xffffU << s->peer->wscale;
	return s->peer->window > 1 ? s->peer->window : 1;
}

/* RFC 9293, section 3.10.7.3: within the window, or with the very number that is expected. */
static enum tcp_fate on_reset(struct segment_in *s)
{
	int32_t ahead = seq_diff(s->p->seq, s->me->next);
	uint32_t window = window_of(s);

	if (s->p->tcp_flags & TCP_ACK && s->peer->known && !s->t->async &&
		seq_diff(s->p->ack, s->peer->next) > 0)
		return refuse(s, EVENT_STREAM_RST_INVALID_ACK);
	if (seq_diff(s->p->seq, s->me->acked) < 0 || (ahead > 0 && (uint32_t)ahead > window))
		return refuse(s, EVENT_STREAM_SUSPECTED_RST_INJECT);
	take_ack(s);
	return take_reset(s);
}

static enum tcp_fate on_syn_recv(struct segment_in *s)
{
	uint8_t flags = s->p->tcp_flags;
	bool opener = s->from_server == s->t->four_way; /* who owes the last ACK */

	if (flags & TCP_RST)
		return on_reset(s);
	if (flags & TCP_SYN) {
		if (opener && !(flags & TCP_ACK)) {
			if (s->p->seq != s->me->isn)
				return refuse(s, EVENT_STREAM_3WHS_SYN_RESEND_DIFF_SEQ_ON_SYN_RECV);
			return TCP_TRACK;
		}
		if (opener)
			return refuse(s, EVENT_STREAM_3WHS_SYNACK_IN_WRONG_DIRECTION);
		if (s->p->seq != s->me->isn) {
			event_raise(s->events, EVENT_STREAM_3WHS_SYNACK_RESEND_WITH_DIFF_SEQ);
			take_syn(s);
		}
		return TCP_TRACK;
	}
	if (!opener) { /* data before the last ACK: of fast open, or the ACK was not seen */
		bool unseen = flags & TCP_ACK && seq_diff(s->p->ack, s->peer->next) > 0;
		if (unseen && !s->t->midstream && !s->o->async)
			return refuse(s, EVENT_STREAM_3WHS_ACK_IN_WRONG_DIR);
		if (unseen) /* only this side is seen */
			s->t->async = true;
		if (unseen || tcp_ends_handshake(s->t, s->p))
			s->t->state = TCP_ESTABLISHED;
		return on_established(s);
	}
	if (!(flags & TCP_ACK))
		return TCP_UNTRACKED;
	bool seq_fits = seq_diff(s->p->seq, s->me->isn + 1) >= 0;
	bool ack_fits = seq_diff(s->p->ack, s->peer->isn + 1) >= 0 &&
			seq_diff(s->p->ack, s->peer->next) <= 0;
	if (!ack_fits)
		return refuse(s, seq_fits ? EVENT_STREAM_3WHS_RIGHT_SEQ_WRONG_ACK_EVASION
					  : EVENT_STREAM_3WHS_WRONG_SEQ_WRONG_ACK);
	s->t->state = TCP_ESTABLISHED;
	return on_established(s);
}

static enum tcp_fate on_late_syn(struct segment_in *s)
{
	bool ack = s->p->tcp_flags & TCP_ACK;

	if (ack)
		return refuse(s, s->from_server ? EVENT_STREAM_EST_SYNACK_RESEND
						: EVENT_STREAM_EST_SYNACK_TOSERVER);
	if (s->from_server)
		return refuse(s, EVENT_STREAM_EST_SYN_TOCLIENT);
	return refuse(s, s->p->seq == s->me->isn ? EVENT_STREAM_EST_SYN_RESEND
						 : EVENT_STREAM_EST_SYN_RESEND_DIFF_SEQ);
}

/* RFC 7323, section 5.3: a segment with an older timestamp is an old duplicate. */
static bool timestamp_is_old(const struct segment_in *s)
{
	if (!s->p->has_tcp_timestamp || !s->me->has_ts || s->t->midstream || s->t->async)
		return false;
	return s->p->tcp_tsval != 0 && seq_diff(s->p->tcp_tsval, s->me->ts) < 0 &&
	       seq_diff(s->p->seq, s->me->next) >= 0;
}

static void on_fin(struct segment_in *s)
{
	struct tcp *t = s->t;
	bool first = !s->peer->fin;

	if (s->me->fin)
		return;
	s->me->fin = true;
	if (t->async && !s->peer->syn)
		return; /* nobody is seen who would acknowledge it */
	if (first)
		t->state = s->from_server ? TCP_FIN_WAIT1 : TCP_CLOSE_WAIT;
	else if (t->state == TCP_FIN_WAIT2 || t->bare)
		t->state = TCP_TIME_WAIT;
	else if (t->state == TCP_FIN_WAIT1)
		t->state = s->peer->acked == s->peer->next ? TCP_TIME_WAIT : TCP_CLOSING;
	else
		t->state = TCP_LAST_ACK;
}

/* The acknowledgement of a FIN moves on. */
static void on_fin_acked(struct segment_in *s)
{
	struct tcp *t = s->t;

	if (!s->peer->fin || !(s->p->tcp_flags & TCP_ACK) || seq_diff(s->p->ack, s->peer->next) < 0)
		return;
	if (t->state == TCP_FIN_WAIT1)
		t->state = TCP_FIN_WAIT2;
	else if (t->state == TCP_CLOSING)
		t->state = TCP_TIME_WAIT;
	else if (t->state == TCP_LAST_ACK)
		t->state = TCP_CLOSED;
	else if (t->state == TCP_TIME_WAIT)
		t->state = TCP_CLOSED;
}

void tcp_pick_up_again(struct tcp *t)
{
	if (t->state < TCP_SYN_RECV || t->state == TCP_CLOSED)
		return;
	t->midstream = true;
	for (unsigned i = 0; i < 2; i++) {
		struct tcp_side *side = &t->side[i];

		side->known = side->has_ts = side->ahead = false;
		side->behind = true;
	}
}

static void take_position(struct segment_in *s)
{
	if (!s->me->known) {
		s->me->isn = s->p->seq - 1;
		s->me->acked = s->me->next = s->p->seq;
		s->me->known = true;
	}
	if (s->p->tcp_flags & TCP_ACK && !s->peer->known) {
		s->peer->isn = s->p->ack - 1;
		s->peer->next = s->peer->acked = s->p->ack;
		s->peer->known = true;
	}
}

/* Speaks of what was not seen: to be refused, unless the other side does too. */
static bool is_alone(struct segment_in *s)
{
	s->me->ahead = true;
	if (!s->peer->ahead)
		return true;
	tcp_pick_up_again(s->t);
	take_position(s);
	return false;
}

static enum tcp_fate on_established(struct segment_in *s)
{
	uint8_t flags = s->p->tcp_flags;

	if (flags & TCP_RST)
		return on_reset(s);
	if (flags & TCP_SYN)
		return on_late_syn(s);
	if (timestamp_is_old(s))
		return refuse(s, EVENT_STREAM_PKT_INVALID_TIMESTAMP);
	take_position(s);
	if (flags & TCP_ACK && seq_diff(s->p->ack, s->peer->next) > 0) {
		if (!s->t->midstream && !s->t->async && is_alone(s)) {
			event_raise(s->events, EVENT_STREAM_EST_INVALID_ACK);
			return refuse(s, EVENT_STREAM_PKT_INVALID_ACK);
		}
		s->peer->next = s->p->ack; /* we have not seen all of it */
	}
	/* Against what is acknowledged and offered; a sender may be wrong by one (probes). */
	uint32_t from = s->t->bare ? s->me->next : s->me->acked;
	if (!s->t->async && s->p->payload.n &&
		seq_diff(s->end, from + window_of(s) + (1 << 16)) > 0 && is_alone(s))
		return refuse(s, EVENT_STREAM_EST_PACKET_OUT_OF_WINDOW);
	s->me->ahead = false;
	take_sent(s);
	take_ack(s);
	on_fin_acked(s);
	if (flags & TCP_FIN)
		on_fin(s);
	return TCP_TRACK;
}

void tcp_end(struct tcp *t, const struct packet *p, bool from_server)
{
	t->side[from_server].fin |= (p->tcp_flags & TCP_FIN) != 0;
	t->by_reset |= (p->tcp_flags & TCP_RST) != 0;
	if (p->tcp_flags & TCP_RST || (t->side[0].fin && t->side[1].fin))
		t->state = TCP_CLOSED;
}

/* Who resets a connection sends nothing more in it: the reset was somebody else's. */
static enum tcp_fate after_reset(struct segment_in *s)
{
	struct tcp *t = s->t;

	if (s->from_server != t->reset_by_server || s->p->tcp_flags & TCP_SYN ||
		t->before_reset < TCP_ESTABLISHED)
		return TCP_UNTRACKED;
	event_raise(s->events, EVENT_STREAM_SUSPECTED_RST_INJECT);
	t->by_reset = false;
	t->state = t->before_reset;
	return on_established(s);
}

enum tcp_fate tcp_packet(struct tcp *t, const struct tcp_options *o, const struct packet *p,
	bool from_server, struct event_list *events)
{
	struct segment_in s = {.t = t,
		.p = p,
		.me = &t->side[from_server],
		.peer = &t->side[!from_server],
		.from_server = from_server,
		.o = o,
		.events = events,
		.end = p->seq + (uint32_t)p->payload.n + !!(p->tcp_flags & TCP_SYN) +
		       !!(p->tcp_flags & TCP_FIN)};

	switch (t->state) {
	case TCP_NONE:
		return on_none(&s);
	case TCP_SYN_SENT:
		return (from_server ? syn_sent_from_server : syn_sent_from_client)(
			&s, p->tcp_flags);
	case TCP_SYN_RECV:
		return on_syn_recv(&s);
	case TCP_CLOSED:
		return t->by_reset && !(p->tcp_flags & TCP_RST) ? after_reset(&s)
								: on_established(&s);
	default:
		return on_established(&s);
	}
}
