/* What flows carry: readers are fed, units and payload meet the rules. */
#include <stdlib.h>

#include "inspect/capture.h"
#include "inspect/engine_part.h"

static void reader_drop(struct engine *e, struct flow *f)
{
	if (!f->reader)
		return;
	if (f->deferred && e->j.packet && e->j.flow == f) {
		engine_deferred_tell(e, SIDE_CLIENT, NULL);
		engine_deferred_tell(e, SIDE_SERVER, NULL);
	}
	free(f->deferred);
	f->deferred = NULL;
	f->reader_done = false;
	f->reader->ops->free(f->reader);
	f->reader = NULL;
	e->readers--;
}

/* What only inspection needed. */
void engine_release(struct engine *e, struct flow *f)
{
	reader_drop(e, f);
	stream_free(&f->stream[0], &e->pool);
	stream_free(&f->stream[1], &e->pool);
}

static void input_init(struct engine *e, struct detect_input *in)
{
	const struct packet *p = e->j.packet;
	const struct flow *f = e->j.flow;

	*in = (struct detect_input){
		.src = p->src,
		.dst = p->dst,
		.src_port = p->src_port,
		.dst_port = p->dst_port,
		.ip_proto = p->ip_proto,
		.app = f->app_proto,
		.to_server = e->j.side == SIDE_CLIENT,
		.established = e->was_established,
		.tcp_flags = p->tcp_flags,
		.icmp_type = p->icmp_type,
		.icmp_code = p->icmp_code,
		.ttl = p->ttl,
		.packet = p,
		.events = &e->events,
		.now = p->at,
		.stream_bytes = {f->stream[SIDE_CLIENT].bytes + f->stream[SIDE_CLIENT].open,
			f->stream[SIDE_SERVER].bytes + f->stream[SIDE_SERVER].open},
		.seen_packet = &e->j.packet_seen,
		.seen_stream = &e->j.flow->told,
	};
}

static void keep_captures(struct engine *e, const struct detect_match *m)
{
	for (unsigned i = 0; i < m->n_captures; i++)
		if (capture_is_of_flow(m->captures[i].name))
			flow_var_set(&e->j.flow->vars, &e->flow_vars, &m->captures[i]);
}

static void run_rules(struct engine *e, const struct detect_input *in, const struct unit *unit)
{
	struct detect_match matches[DETECT_MATCHES];

	if (e->j.flow->fate != FATE_INSPECT || e->j.pass_packet)
		return;
	unsigned n = detect_run(e->gen->rules, e->scratch, in, &e->j.flow->detect, matches);
	for (unsigned i = 0; i < n; i++)
		keep_captures(e, &matches[i]);
	e->j.payload = in->buffer[BUFFER_PAYLOAD];
	e->j.payload_is_stream = in->stream || in->transaction;
	if (!engine_defer(e, matches, n, unit))
		verdict_rules(&e->j, matches, n, unit);
}

/* old: bytes at the beginning of a stream's window that rules have seen before. */
void engine_run_payload(
	struct engine *e, struct span payload, bool stream, uint64_t offset, size_t old)
{
	struct detect_input in;

	input_init(e, &in);
	in.stream = stream;
	in.stream_follows = !stream && e->stream_follows;
	in.stream_offset = offset;
	in.stream_old = old;
	if (payload.n)
		in.buffer[BUFFER_PAYLOAD] = payload;
	if (!stream) {
		in.buffer[BUFFER_IP_HEADER] = e->j.packet->ip_header;
		in.buffer[BUFFER_TRANSPORT_HEADER] = e->j.packet->transport;
	}
	run_rules(e, &in, NULL);
}

/* The packet as if it went the other way: what it releases may be of its receiver. */
struct packet packet_turned(const struct packet *p)
{
	struct packet t = *p;

	t.src = p->dst;
	t.dst = p->src;
	t.src_port = p->dst_port;
	t.dst_port = p->src_port;
	if (p->ip_proto == IPPROTO_TCP)
		t.tcp_flags = TCP_ACK;
	return t;
}

static void log_unit(struct engine *e, const struct unit *u)
{
	struct scene s = {
		.packet = e->j.packet, .flow = e->j.flow, .side = e->j.side, .app = e->j.app};

	for (unsigned i = 0; i < u->events.n && !u->echo; i++)
		out_anomaly(e->j.out, &s, u->events.id[i], u);
	if (u->event)
		out_unit(e->j.out, &s, u);
	if (u->file_done)
		out_file(e->j.out, &s, u);
}

static void take_unit(struct engine *e, const struct unit *u)
{
	struct detect_input in;

	if (u->tx_id >= e->j.flow->tx_cnt)
		e->j.flow->tx_cnt = u->tx_id + 1;
	if (u->event && u->lasts)
		engine_deferred_tell(e, e->j.side, u->tx);
	log_unit(e, u);
	if (u->log_only || e->j.flow->fate != FATE_INSPECT)
		return;
	if (e->gen->domains)
		verdict_domains(&e->j, u);
	input_init(e, &in);
	memcpy(in.buffer, u->buffer, sizeof(in.buffer));
	in.events = &u->events;
	in.more = u->more;
	in.more_n = u->more_n;
	in.seen = u->seen;
	in.transaction = true;
	if (e->j.side == e->payload_side) {
		in.buffer[BUFFER_PAYLOAD] = e->payload;
		in.stream_offset = e->payload_offset;
	}
	run_rules(e, &in, u);
}

void engine_on_unit(void *ctx, const struct unit *u)
{
	struct engine *e = ctx;
	enum flow_side side = u->to_server ? SIDE_CLIENT : SIDE_SERVER, mine = e->j.side;
	const struct packet *packet = e->j.packet;

	if (side == mine) {
		take_unit(e, u);
		return;
	}
	struct packet turned = packet_turned(packet);
	bool was_turned = e->turned;
	e->j.packet = &turned;
	e->j.side = side;
	e->turned = e->pool.hold && !was_turned;
	take_unit(e, u);
	e->turned = was_turned;
	e->j.packet = packet;
	e->j.side = mine;
}

bool flow_is_inspected(const struct flow *f)
{
	return f->fate == FATE_INSPECT || f->fate == FATE_PASS;
}

static void reader_result(struct engine *e, struct flow *f, enum reader_result r)
{
	if (r == READER_OK)
		return;
	if (r == READER_FAILED)
		counter_inc(&e->counters, COUNTER_APP_FAILED);
	else if (f->app_proto == PROTO_TLS)
		f->encrypted = true;
	f->reader_done = true;
	if (r == READER_DONE && engine_has_deferred(f))
		return; /* what they show is the reader's: it goes with the flow */
	reader_drop(e, f);
}

void engine_feed(struct engine *e, enum flow_side side, struct span data)
{
	struct flow *f = e->j.flow;

	if (!f->reader || f->reader_done || !flow_is_inspected(f))
		return;
	e->env.at = e->j.packet->at;
	reader_result(e, f, f->reader->ops->feed(f->reader, side == SIDE_CLIENT, data));
}

void engine_feed_end(struct engine *e, enum flow_side side, bool orderly)
{
	struct flow *f = e->j.flow;

	if (!f->reader || f->reader_done || !f->reader->ops->end || !flow_is_inspected(f) ||
		(orderly && f->ended[side]))
		return;
	f->ended[side] = true;
	e->env.at = e->j.packet->at;
	e->payload = (struct span){};
	reader_result(e, f, f->reader->ops->end(f->reader, side == SIDE_CLIENT, orderly));
}

/* Bytes are missing: a reader that cannot go on behind them is done. */
void engine_feed_hole(struct engine *e, enum flow_side side, uint32_t bytes)
{
	struct flow *f = e->j.flow;

	if (f->reader && f->reader->ops->holes && bytes)
		engine_feed(e, side, span_of(NULL, bytes));
	else
		reader_drop(e, f);
}

void engine_reader_begin(struct engine *e, struct flow *f, enum rule_proto proto)
{
	const struct reader_ops *ops = reader_for(proto, f->key.ip_proto);

	f->app_proto = proto;
	if (!ops)
		return;
	f->reader = e->readers < READERS_MAX ? ops->new(&e->env) : NULL;
	if (f->reader)
		e->readers++;
	else
		counter_inc(&e->counters, COUNTER_APP_MEMCAP);
}

/* True when the protocol became known with this piece. */
bool engine_sniff(
	struct engine *e, struct flow *f, const struct stream_data *d, enum flow_side side)
{
	enum rule_proto proto = PROTO_IP;

	if (f->app_proto != PROTO_IP || f->sniffed[side])
		return false;
	enum sniff r = d->whole ? sniff_stream(d->window, side == SIDE_CLIENT,
					  f->key.port[SIDE_SERVER], &proto)
				: SNIFF_NO;
	if (r == SNIFF_YES)
		engine_reader_begin(e, f, proto);
	f->sniffed[side] = r != SNIFF_MORE;
	return r == SNIFF_YES;
}
