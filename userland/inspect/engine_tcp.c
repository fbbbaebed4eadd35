/* Connections: their state, their data in order, their end. */
#include "inspect/capture.h"
#include "inspect/engine_part.h"

/* Without a packet of this side at hand (it was released by an acknowledgement) rules look at it
 * with the next one: that is the packet an alert then names. What would leave the tail until then
 * does not wait. */
static bool payload_waits(
	struct engine *e, struct flow *f, const struct stream_data *d, enum flow_side side)
{
	struct stream *s = &f->stream[side];

	if (!e->turned || d->gap || s->pending + d->fresh.n > STREAM_TAIL_BYTES) {
		s->pending = 0;
		return false;
	}
	s->pending += (uint32_t)d->fresh.n;
	return true;
}

static void run_pending(struct engine *e)
{
	struct stream *s = &e->j.flow->stream[e->j.side];
	uint64_t offset;
	struct span tail = stream_tail(s, &offset);

	if (s->pending && tail.n >= s->pending)
		engine_run_payload(e, tail, true, offset, tail.n - s->pending);
	s->pending = 0;
}

/* What waited does not wait beyond a hole: it would be lost. */
static void run_before_hole(struct engine *e, struct stream *s, const struct stream_data *d)
{
	if (s->pending && d->before.n >= s->pending)
		engine_run_payload(
			e, d->before, true, d->offset - d->before.n, d->before.n - s->pending);
	s->pending = 0;
}

static void on_piece(struct engine *e, const struct stream_data *d, enum flow_side side)
{
	struct flow *f = e->j.flow;

	if (!flow_is_inspected(f))
		return;
	if (d->gap)
		run_before_hole(e, &f->stream[side], d);
	if (d->gap)
		engine_feed_hole(e, side, d->gap_bytes);
	bool first = engine_sniff(e, f, d, side);
	e->payload = d->window;
	e->payload_offset = d->offset;
	e->payload_side = side;
	if (!payload_waits(e, f, d, side))
		engine_run_payload(e, d->window, true, d->offset,
			d->seen ? d->window.n : d->window.n - d->fresh.n);
	engine_feed(e, side, first ? d->window : d->fresh);
}

static void on_data(void *ctx, const struct stream_data *d)
{
	struct engine *e = ctx;

	on_piece(e, d, e->j.side);
}

/* Does something for the other side: the packet acknowledges what that has sent. */
static void turned_round(struct engine *e, void (*what)(struct engine *e, void *arg), void *arg)
{
	const struct packet *packet = e->j.packet;
	struct packet turned = packet_turned(packet);

	e->j.packet = &turned;
	e->j.side = !e->j.side;
	e->turned = e->pool.hold;
	what(e, arg);
	e->turned = false;
	e->j.side = !e->j.side;
	e->j.packet = packet;
}

static void take_acked(struct engine *e, void *arg)
{
	on_piece(e, arg, e->j.side);
}

static void on_data_acked(void *ctx, const struct stream_data *d)
{
	struct stream_data copy = *d;

	turned_round(ctx, take_acked, &copy);
}

/* All of it has been delivered, up to its FIN. */
static bool is_delivered(const struct flow *f, enum flow_side side)
{
	const struct tcp_side *t = &f->tcp.side[side];

	return t->fin && f->stream[side].open &&
	       (int32_t)(f->stream[side].next - (t->next - 1)) >= 0;
}

static void take_end(struct engine *e, void *arg)
{
	(void)arg;
	engine_feed_end(e, e->j.side, true);
}

static void finish_delivered(struct engine *e)
{
	struct flow *f = e->j.flow;

	if (is_delivered(f, !e->j.side) && !f->ended[!e->j.side])
		turned_round(e, take_end, NULL);
	if (is_delivered(f, e->j.side) && !f->ended[e->j.side])
		engine_feed_end(e, e->j.side, true);
}

bool engine_tcp_is_over(const struct engine *e)
{
	const struct flow *f = e->j.flow;

	return !e->pool.hold && is_delivered(f, SIDE_CLIENT) && is_delivered(f, SIDE_SERVER);
}

/* What ends with a flow has no packet: one that would have come from this side. */
static struct packet packet_of_flow(
	const struct flow *f, enum flow_side side, const struct timeval *at)
{
	struct packet p = {.at = *at,
		.src = f->key.addr[side],
		.dst = f->key.addr[!side],
		.src_port = f->key.port[side],
		.dst_port = f->key.port[!side],
		.ip_proto = f->key.ip_proto,
		.tcp_flags = f->key.ip_proto == IPPROTO_TCP ? TCP_ACK : 0,
		.origin = ORIGIN_STREAM};

	memcpy(p.vlan, f->key.vlan, sizeof(p.vlan));
	return p;
}

/* finish: all that it carried has been delivered, in both directions. */
static void flow_finish_side(struct engine *e, struct flow *f, enum flow_side side, bool finish)
{
	struct packet p = packet_of_flow(f, side, &e->now);

	e->j.packet = &p;
	e->j.flow = f;
	e->j.side = side;
	e->j.packet_seen.n = 0;
	e->j.alerts = 0;
	e->events.n = 0;
	if (finish) {
		engine_feed_end(e, side, false);
		engine_deferred_tell(e, !side, NULL);
	} else {
		run_pending(e);
		stream_flush(&f->stream[side], &e->pool, on_data, e);
	}
	engine_deferred_tell(e, side, NULL);
	e->j.packet = NULL;
}

void engine_flow_end(void *ctx, struct flow *f, enum flow_end why)
{
	struct engine *e = ctx;
	struct scene s = {.flow = f, .app = e->j.app};
	struct judgement before = e->j;

	for (unsigned i = 0; i < 4 && flow_is_inspected(f); i++)
		flow_finish_side(e, f, (enum flow_side)(i % 2), i >= 2);
	e->j = before;
	app_end(e->j.app, &f->app);
	out_flow(e->j.out, &s, why, &e->now);
	flow_vars_free(&f->vars, &e->flow_vars);
	engine_release(e, f);
}

/* What a reset carries is for people to read (RFC 9293, section 3.5.3), and what a SYN carries its
 * receiver takes only with fast open (RFC 7413). */
static bool is_stream_data(const struct packet *p)
{
	return !(p->tcp_flags & TCP_RST) && (!(p->tcp_flags & TCP_SYN) || p->has_fast_open);
}

/* In line a packet behind a hole is let through, so it is looked at before the hole fills. */
static void look_ahead(struct engine *e, struct stream *mine)
{
	const struct packet *p = e->j.packet;
	struct span window;
	uint64_t offset;

	if (e->pool.hold || !mine->ahead ||
		!stream_look_ahead(mine, &e->pool, p->seq, &window, &offset))
		return;
	size_t fresh = p->payload.n < window.n ? p->payload.n : window.n;
	engine_run_payload(e, window, true, offset, window.n - fresh);
}

/* Nobody will send again what passed unseen. */
static void catch_up(struct engine *e)
{
	struct tcp_side *side = &e->j.flow->tcp.side[e->j.side];

	if (!side->behind)
		return;
	side->behind = false;
	stream_skip(&e->j.flow->stream[e->j.side], &e->pool, e->j.packet->seq, on_data, e);
}

static void stream_take(struct engine *e)
{
	const struct packet *p = e->j.packet;
	struct flow *f = e->j.flow;
	struct stream *mine = &f->stream[e->j.side], *other = &f->stream[!e->j.side];

	if (p->tcp_flags & TCP_SYN)
		stream_syn(mine, p->seq);
	if (p->tcp_flags & TCP_SYN && p->tcp_flags & TCP_ACK)
		stream_syn(other, f->tcp.side[!e->j.side].isn); /* of several that is the one */
	catch_up(e);
	if (p->tcp_flags & TCP_ACK)
		stream_acked(other, &e->pool, p->ack, on_data_acked, e);
	if (is_stream_data(p) && !stream_push(mine, &e->pool, p->seq + !!(p->tcp_flags & TCP_SYN),
					 p->payload, on_data, e))
		verdict_packet(&e->j, "stream memcap",
			"out of order beyond what is kept: it must be sent again");
	if (is_stream_data(p) && p->payload.n)
		look_ahead(e, mine);
	finish_delivered(e);
}

static void learn_receivers(const struct settings *set, struct flow *f)
{
	for (unsigned side = 0; side < 2; side++)
		f->stream[side].policy = (uint8_t)settings_host_policy(set, &f->key.addr[!side]);
}

void engine_lapses(struct engine *e, unsigned lapses)
{
	e->lapses = lapses;
}

static void note_lapse(const struct engine *e, struct flow *f, bool is_new)
{
	if (!is_new && f->lapses != e->lapses)
		tcp_pick_up_again(&f->tcp);
	f->lapses = e->lapses;
}

void engine_tcp(struct engine *e)
{
	const struct packet *p = e->j.packet;
	const struct settings_tcp *set = &e->gen->settings.tcp;
	const struct tcp_options options = {set->midstream, set->async_oneside};
	struct flow *f = e->j.flow;
	bool was_new = f->tcp.state == TCP_NONE;
	note_lapse(e, f, was_new);
	enum tcp_fate fate = tcp_packet(&f->tcp, &options, p, e->j.side == SIDE_SERVER, &e->events);

	if (was_new && e->gen->settings.n_hosts)
		learn_receivers(&e->gen->settings, f);
	flow_settle(e->flows, f);
	f->untracked = fate == TCP_UNTRACKED;
	if (was_new && !(p->tcp_flags & TCP_RST) && (p->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		verdict_midstream(&e->j);
	e->stream_follows = fate == TCP_TRACK && is_stream_data(p) && !f->stream[e->j.side].depth;
	run_pending(e);
	if (fate == TCP_TRACK && flow_is_inspected(f))
		stream_take(e);
	engine_deferred_tell(e, e->j.side, NULL);
	if (fate == TCP_INVALID)
		verdict_packet(&e->j, "stream error",
			"the receiver would not take it: it does not fit the connection");
	engine_run_payload(e, p->payload, false, 0, 0);
}
