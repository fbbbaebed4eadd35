#include "inspect/engine.h"

#include <errno.h>
#include <stdlib.h>

#include "inspect/verdict.h"

#define EXPIRE_PER_PACKET 4
#define EXPIRE_PER_TICK 1024

struct engine {
	struct publication *publication;
	struct generation *gen;
	struct detect_scratch *scratch;
	struct flow_table *flows;
	struct timeval now;
	struct judgement j;
	struct span payload;     /* what units of this packet see as payload */
	uint64_t payload_offset; /* of its first byte in the stream */
	unsigned readers;
	struct counters counters;
	struct stream_pool pool;
	struct reader_env env;
};

static void reader_drop(struct engine *e, struct flow *f)
{
	if (!f->reader)
		return;
	f->reader->ops->free(f->reader);
	f->reader = NULL;
	e->readers--;
}

/* What only inspection needed. */
static void flow_release(struct engine *e, struct flow *f)
{
	reader_drop(e, f);
	stream_free(&f->stream[0], &e->pool);
	stream_free(&f->stream[1], &e->pool);
}

static void on_flow_end(void *ctx, struct flow *f, enum flow_end why)
{
	struct engine *e = ctx;
	struct scene s = {.flow = f, .app = e->j.app};

	app_end(e->j.app, &f->app);
	out_flow(e->j.out, &s, why, &e->now);
	flow_release(e, f);
}

static void input_init(const struct engine *e, struct detect_input *in)
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
		.established = f->established,
		.tcp_flags = p->tcp_flags,
		.icmp_type = p->icmp_type,
		.icmp_code = p->icmp_code,
		.ttl = p->ttl,
	};
}

static void run_rules(struct engine *e, const struct detect_input *in, const struct unit *unit)
{
	struct detect_match matches[DETECT_MATCHES];

	if (e->j.flow->fate != FATE_INSPECT)
		return;
	unsigned n = detect_run(e->gen->rules, e->scratch, in, &e->j.flow->detect, matches);
	verdict_rules(&e->j, matches, n, unit, in->stream);
}

static void run_payload(struct engine *e, struct span payload, bool stream, uint64_t offset)
{
	struct detect_input in;

	input_init(e, &in);
	in.stream = stream;
	in.stream_offset = offset;
	if (payload.n)
		in.buffer[BUFFER_PAYLOAD] = payload;
	run_rules(e, &in, NULL);
}

/* A packet that fills a hole may complete units of the direction it goes in only: addresses fit. */
static void on_unit(void *ctx, const struct unit *u)
{
	struct engine *e = ctx;
	struct scene s = {
		.packet = e->j.packet, .flow = e->j.flow, .side = e->j.side, .app = e->j.app};
	struct detect_input in;

	if (e->j.flow->fate != FATE_INSPECT)
		return;
	if (u->event != EVENT_NONE)
		out_unit(e->j.out, &s, u);
	if (u->log_only)
		return;
	input_init(e, &in);
	memcpy(in.buffer, u->buffer, sizeof(in.buffer));
	in.buffer[BUFFER_PAYLOAD] = e->payload;
	in.stream_offset = e->payload_offset;
	run_rules(e, &in, u);
}

static void reader_feed(struct engine *e, enum flow_side side, struct span data)
{
	struct flow *f = e->j.flow;

	if (!f->reader || f->fate != FATE_INSPECT)
		return;
	e->env.at = e->j.packet->at;
	enum reader_result r = f->reader->ops->feed(f->reader, &e->env, side == SIDE_CLIENT, data);
	if (r == READER_OK)
		return;
	if (r == READER_FAILED)
		counter_inc(&e->counters, COUNTER_APP_FAILED);
	else if (f->app_proto == PROTO_TLS)
		f->encrypted = true;
	reader_drop(e, f);
}

static void reader_begin(struct engine *e, struct flow *f, enum rule_proto proto)
{
	const struct reader_ops *ops = reader_for(proto, f->key.ip_proto);

	f->app_proto = proto;
	if (!ops)
		return;
	f->reader = e->readers < READERS_MAX ? ops->new() : NULL;
	if (f->reader)
		e->readers++;
	else
		counter_inc(&e->counters, COUNTER_APP_MEMCAP);
}

/* True when the protocol became known with this piece. */
static bool sniff_piece(
	struct engine *e, struct flow *f, const struct stream_data *d, enum flow_side side)
{
	enum rule_proto proto = PROTO_IP;

	if (f->app_proto != PROTO_IP || f->sniffed[side])
		return false;
	enum sniff r = d->whole ? sniff_stream(d->window, side == SIDE_CLIENT,
					  f->key.port[SIDE_SERVER], &proto)
				: SNIFF_NO;
	if (r == SNIFF_YES)
		reader_begin(e, f, proto);
	f->sniffed[side] = r != SNIFF_MORE;
	return r == SNIFF_YES;
}

static void on_piece(struct engine *e, const struct stream_data *d, enum flow_side side)
{
	struct flow *f = e->j.flow;

	if (f->fate != FATE_INSPECT)
		return;
	if (d->gap)
		reader_drop(e, f);
	bool first = sniff_piece(e, f, d, side);
	e->payload = d->window;
	e->payload_offset = d->offset;
	if (side == e->j.side)
		run_payload(e, d->window, true, d->offset);
	reader_feed(e, side, first ? d->window : d->fresh);
}

static void on_data(void *ctx, const struct stream_data *d)
{
	struct engine *e = ctx;

	on_piece(e, d, e->j.side);
}

/* Data of the other side, released because this packet acknowledges it: units of it carry the
 * addresses of this packet turned round. */
static void on_data_acked(void *ctx, const struct stream_data *d)
{
	struct engine *e = ctx;
	const struct packet *ack = e->j.packet;
	struct packet turned = *ack;

	turned.src = ack->dst;
	turned.dst = ack->src;
	turned.src_port = ack->dst_port;
	turned.dst_port = ack->src_port;
	turned.tcp_flags = TCP_ACK;
	e->j.packet = &turned;
	e->j.side = !e->j.side;
	on_piece(e, d, e->j.side);
	e->j.side = !e->j.side;
	e->j.packet = ack;
}

static void inspect_tcp(struct engine *e)
{
	const struct packet *p = e->j.packet;
	struct flow *f = e->j.flow;
	struct stream *mine = &f->stream[e->j.side], *other = &f->stream[!e->j.side];

	run_payload(e, p->payload, false, 0);
	if (p->tcp_flags & TCP_SYN)
		stream_syn(mine, p->seq);
	if (p->tcp_flags & TCP_ACK)
		stream_acked(other, &e->pool, p->ack, on_data_acked, e);
	/* What a reset carries is for people to read, not part of the stream (RFC 9293,
	 * section 3.5.3). */
	if (p->tcp_flags & TCP_RST)
		return;
	if (!stream_push(
		    mine, &e->pool, p->seq + !!(p->tcp_flags & TCP_SYN), p->payload, on_data, e))
		verdict_segment(&e->j);
}

static void inspect_datagram(struct engine *e)
{
	const struct packet *p = e->j.packet;
	struct flow *f = e->j.flow;
	enum rule_proto proto;

	if (f->app_proto == PROTO_IP && p->ip_proto == IPPROTO_UDP &&
		sniff_datagram(p->payload, f->key.port[SIDE_SERVER], &proto) == SNIFF_YES)
		reader_begin(e, f, proto);
	e->payload = p->payload;
	e->payload_offset = 0;
	run_payload(e, p->payload, false, 0);
	reader_feed(e, e->j.side, p->payload);
}

static struct verdict inspect(struct engine *e)
{
	struct flow *f = e->j.flow;

	if (f->fate != FATE_INSPECT)
		return verdict_of(&e->j);
	e->j.drop_packet = false;
	e->j.packet_seen.n = 0;
	if (app_packet(e->j.app, &f->app, e->j.packet))
		verdict_policy(&e->j);
	if (f->fate == FATE_INSPECT) {
		if (f->key.ip_proto == IPPROTO_TCP)
			inspect_tcp(e);
		else
			inspect_datagram(e);
	}
	if (f->fate == FATE_INSPECT)
		verdict_bypass(&e->j);
	if (f->fate != FATE_INSPECT)
		flow_release(e, f);
	return verdict_of(&e->j);
}

static void count_packet(struct counters *c, enum decode_result decoded, const struct packet *p)
{
	static const enum counter by_result[] = {[DECODE_FRAGMENT] = COUNTER_DECODER_FRAGMENTS,
		[DECODE_INVALID] = COUNTER_DECODER_INVALID,
		[DECODE_UNKNOWN] = COUNTER_DECODER_UNKNOWN};

	counter_inc(c, COUNTER_DECODER_PKTS);
	counter_add(c, COUNTER_DECODER_BYTES, p->ip.n);
	if (decoded != DECODE_OK)
		counter_inc(c, by_result[decoded]);
	if (p->truncated)
		counter_inc(c, COUNTER_DECODER_TRUNCATED);
	if (decoded != DECODE_OK)
		return;
	counter_inc(c, p->src.family == 6 ? COUNTER_DECODER_IPV6 : COUNTER_DECODER_IPV4);
	if (p->ip_proto == IPPROTO_TCP)
		counter_inc(c, COUNTER_DECODER_TCP);
	else if (p->ip_proto == IPPROTO_UDP)
		counter_inc(c, COUNTER_DECODER_UDP);
	else if (p->ip_proto == IPPROTO_ICMP || p->ip_proto == IPPROTO_ICMPV6)
		counter_inc(c, COUNTER_DECODER_ICMP);
}

/* A capture's clock may go back; ours does not. */
static bool is_later(const struct timeval *a, const struct timeval *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_usec > b->tv_usec;
}

struct verdict engine_packet(struct engine *e, enum decode_result decoded, const struct packet *p)
{
	if (is_later(&p->at, &e->now))
		e->now = p->at;
	count_packet(&e->counters, decoded, p);
	flow_expire(e->flows, &e->now, EXPIRE_PER_PACKET);
	if (decoded != DECODE_OK)
		return (struct verdict){};
	e->j.packet = p;
	e->j.flow = flow_lookup(e->flows, p, &e->j.side);
	return inspect(e);
}

void engine_tick(struct engine *e, const struct timeval *now)
{
	e->now = *now;
	flow_expire(e->flows, now, EXPIRE_PER_TICK);
}

int engine_refresh(struct engine *e)
{
	struct detect_scratch *scratch;
	struct generation *newer = publication_newer(e->publication, e->gen);

	if (!newer)
		return 0;
	int r = detect_scratch_new(newer->rules, &scratch);
	if (r < 0) {
		generation_put(newer);
		return r;
	}
	detect_scratch_free(e->scratch);
	generation_put(e->gen);
	e->scratch = scratch;
	e->gen = newer;
	e->j.gen = newer;
	e->pool.inline_mode = newer->ips;
	return 0;
}

int engine_new(struct publication *publication, struct out *out, struct engine **ret)
{
	struct engine *e = calloc(1, sizeof(*e));
	int r = -ENOMEM;

	if (!e)
		return r;
	e->publication = publication;
	e->j.out = out;
	e->j.counters = e->pool.counters = &e->counters;
	e->env.fn = on_unit;
	e->env.ctx = e;
	r = app_new(&e->j.app);
	if (r >= 0)
		r = flow_table_new(&e->counters, on_flow_end, e, &e->flows);
	if (r >= 0)
		r = engine_refresh(e);
	if (r >= 0 && !e->gen)
		r = -ENODATA; /* nothing was published */
	if (r < 0) {
		engine_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

void engine_end(struct engine *e)
{
	flow_end_all(e->flows);
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	flow_table_free(e->flows);
	app_free(e->j.app);
	if (e->scratch)
		detect_scratch_free(e->scratch);
	generation_put(e->gen);
	free(e);
}

const struct counters *engine_counters(const struct engine *e)
{
	return &e->counters;
}

struct counters *engine_counters_mutable(struct engine *e)
{
	return &e->counters;
}
