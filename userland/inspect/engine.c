#include "inspect/engine.h"

#include <errno.h>
#include <stdlib.h>

#include "inspect/engine_part.h"

#define EXPIRE_PER_PACKET 4
#define EXPIRE_PER_TICK 1024
#define ANOMALIES_MAX 32
#define PACKET_DEPTH 4 /* packets in packets */

static void inspect_datagram(struct engine *e)
{
	const struct packet *p = e->j.packet;
	struct flow *f = e->j.flow;
	enum rule_proto proto;

	if (f->app_proto == PROTO_IP && p->ip_proto == IPPROTO_UDP &&
		sniff_datagram(p->payload, f->key.port[SIDE_SERVER], &proto) == SNIFF_YES)
		engine_reader_begin(e, f, proto);
	e->stream_follows = false;
	e->payload = p->payload;
	e->payload_offset = 0;
	e->payload_side = e->j.side;
	engine_run_payload(e, p->payload, false, 0, 0);
	if (p->payload.n)
		engine_feed(e, e->j.side, p->payload);
}

/* Oddities of the packet, a bounded number of a flow: a flood of them says nothing new. */
static void tell_events(struct engine *e)
{
	struct scene s = {
		.packet = e->j.packet, .flow = e->j.flow, .side = e->j.side, .app = e->j.app};
	uint8_t *told = e->j.flow ? &e->j.flow->anomalies : &e->anomalies;

	for (unsigned i = 0; i < e->events.n; i++) {
		counter_inc(&e->counters, COUNTER_ANOMALY);
		counter_event(&e->counters, e->events.id[i]);
		if (*told < ANOMALIES_MAX)
			out_anomaly(e->j.out, &s, e->events.id[i], NULL);
		*told = (uint8_t)(*told + (*told < ANOMALIES_MAX));
	}
}

static void tell_tagged(struct engine *e)
{
	struct scene s = {
		.packet = e->j.packet, .flow = e->j.flow, .side = e->j.side, .app = e->j.app};

	if (!e->j.flow || !e->j.flow->tagged)
		return;
	out_packet(e->j.out, &s);
	e->j.flow->tagged--;
}

/* Rules may ask for packets that no flow can be made of. */
static struct verdict inspect_flowless(struct engine *e)
{
	const struct packet *p = e->j.packet;
	struct detect_match matches[DETECT_MATCHES];
	struct detect_input in = {.src = p->src,
		.dst = p->dst,
		.ip_proto = p->ip_proto,
		.ttl = p->ttl,
		.packet = p,
		.events = &e->events,
		.now = p->at,
		.to_server = true,
		.seen_packet = &e->j.packet_seen};

	e->j.flow = NULL;
	e->j.payload = (struct span){};
	e->j.side = SIDE_CLIENT;
	e->j.drop_packet = e->j.pass_packet = e->j.bypass_side = e->j.refuse = false;
	e->j.alerts = 0;
	e->j.packet_seen.n = 0;
	if (e->anomalies_s != p->at.tv_sec)
		e->anomalies = 0;
	e->anomalies_s = p->at.tv_sec;
	tell_events(e);
	if (e->events.n == 0 && p->inner_kind == INNER_NONE)
		return (struct verdict){};
	unsigned n = detect_run(e->gen->rules, e->scratch, &in, NULL, matches);
	verdict_rules(&e->j, matches, n, NULL);
	return (struct verdict){.drop = e->j.drop_packet};
}

static struct verdict inspect(struct engine *e)
{
	struct flow *f = e->j.flow;

	e->j.drop_packet = e->j.pass_packet = e->j.refuse = false;
	e->j.bypass_side = e->j.bypass_flow = false;
	e->j.alerts = 0;
	if (!flow_is_inspected(f)) {
		verdict_condemned(&e->j);
		if (f->fate == FATE_BYPASS && f->key.ip_proto == IPPROTO_TCP) {
			tcp_end(&f->tcp, e->j.packet, e->j.side == SIDE_SERVER);
			flow_settle(e->flows, f);
		}
		return verdict_of(&e->j);
	}
	e->j.packet_seen.n = 0;
	/* the packet that completes a handshake is still part of it */
	e->was_established = f->established || tcp_ends_handshake(&f->tcp, e->j.packet);
	bool tagged = f->tagged > 0; /* by a packet before */
	if (app_packet(e->j.app, &f->app, e->j.packet))
		verdict_policy(&e->j);
	if (flow_is_inspected(f)) {
		if (f->key.ip_proto == IPPROTO_TCP)
			engine_tcp(e);
		else
			inspect_datagram(e);
	}
	tell_events(e);
	if (tagged)
		tell_tagged(e);
	if (f->fate == FATE_INSPECT && e->j.bypass_flow)
		f->fate = FATE_BYPASS;
	if (f->fate == FATE_INSPECT)
		verdict_bypass(&e->j);
	if (!flow_is_inspected(f) || engine_tcp_is_over(e))
		engine_release(e, f);
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
	if (event_has(&p->events, EVENT_IPV4_OPT_INVALID_LEN)) /* a receiver drops it */
		counter_inc(c, COUNTER_DECODER_INVALID);
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

/* The strictest of both. */
static struct verdict verdict_worse(struct verdict a, struct verdict b)
{
	return a.drop || !b.drop ? a : b;
}

/* A tunnel without ports, or of an operator: the flows are those inside. */
static bool is_wrapping(const struct packet *p)
{
	return p->inner_kind != INNER_NONE && (p->ip_proto != IPPROTO_UDP || p->only_carries);
}

static struct verdict take_packet(
	struct engine *e, enum decode_result decoded, const struct packet *p, unsigned depth)
{
	struct packet inner;
	struct span whole;
	struct verdict v;

	e->j.packet = p;
	e->events = p->events;
	if (decoded == DECODE_FRAGMENT) {
		bool complete = defrag_add(e->defrag, p, &e->events, &whole);
		v = inspect_flowless(e);
		if (!complete || depth == PACKET_DEPTH)
			return v;
		decoded = decode_whole(whole, p, &inner);
		return verdict_worse(v, take_packet(e, decoded, &inner, depth + 1));
	}
	if (decoded != DECODE_OK)
		return inspect_flowless(e);
	if (is_wrapping(p)) {
		v = inspect_flowless(e);
	} else {
		struct flow *f = flow_lookup(e->flows, p, &e->j.side);
		e->j.flow = f;
		v = inspect(e);
	}
	if (p->inner_kind == INNER_NONE || depth == PACKET_DEPTH)
		return v;
	decoded = decode_inner(p, &inner);
	if (decoded == DECODE_UNKNOWN)
		return v;
	return verdict_worse(v, take_packet(e, decoded, &inner, depth + 1));
}

struct verdict engine_packet(struct engine *e, enum decode_result decoded, const struct packet *p)
{
	if (is_later(&p->at, &e->now))
		e->now = p->at;
	count_packet(&e->counters, decoded, p);
	flow_expire(e->flows, &e->now, EXPIRE_PER_PACKET);
	struct verdict v = take_packet(e, decoded, p, 0);
	counter_inc(&e->counters, v.drop ? COUNTER_IPS_BLOCKED : COUNTER_IPS_ACCEPTED);
	return v;
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
	detect_scratch_bind(scratch, publication_memory(e->publication));
	detect_scratch_free(e->scratch);
	generation_put(e->gen);
	e->scratch = scratch;
	e->gen = newer;
	e->j.gen = newer;
	e->env.hash_files = out_has_evidence(e->j.out);
	e->env.wanted = detect_buffers(newer->rules);
	e->pool.inline_mode = newer->ips;
	e->pool.hold = !newer->ips && !newer->settings.tcp.is_inline;
	e->pool.policy = e->pool.hold ? STREAM_BSD : STREAM_FIRST;
	e->pool.depth_bytes = newer->settings.tcp.depth_bytes;
	return 0;
}

int engine_new(struct publication *publication, struct out *out, struct engine **ret)
{
	struct engine *e = calloc(1, sizeof(*e));
	int r = -ENOMEM;

	if (!e)
		return r;
	e->publication = publication;
	e->j.counters = e->pool.counters = &e->counters;
	e->pool.events = &e->events;
	e->env.fn = engine_on_unit;
	e->env.ctx = e;
	r = out_fork(out, &e->j.out);
	if (r >= 0)
		r = app_new(&e->j.app);
	if (r >= 0)
		r = defrag_new(&e->counters, &e->defrag);
	if (r >= 0)
		r = flow_table_new(&e->counters, engine_flow_end, e, &e->flows);
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
	defrag_free(e->defrag);
	app_free(e->j.app);
	out_free(e->j.out);
	if (e->scratch)
		detect_scratch_free(e->scratch);
	generation_put(e->gen);
	free(e);
}

unsigned engine_flows(const struct engine *e, uint64_t id, struct flow_view *views, unsigned max)
{
	return flow_copy(e->flows, id, views, max);
}

const struct counters *engine_counters(const struct engine *e)
{
	return &e->counters;
}

struct counters *engine_counters_mutable(struct engine *e)
{
	return &e->counters;
}
