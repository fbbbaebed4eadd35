#include "inspect/flow.h"

#include "inspect/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define BUCKETS (FLOW_MAX * 2) /* a power of two */

struct flow_list {
	struct flow *oldest, *newest;
};

struct flow_table {
	struct flow *bucket[BUCKETS];
	struct flow_list class[FLOW_CLASSES];
	struct flow *free; /* given back; else the next that was never used: pages come with use */
	size_t used;
	uint64_t key[2];
	uint64_t next_id;
	struct counters *counters;
	flow_end_fn *on_end;
	void *ctx;
	struct flow flows[FLOW_MAX];
};

static const time_t timeout_s[FLOW_CLASSES] = {FLOW_NEW_S, FLOW_ESTABLISHED_S, FLOW_CLOSED_S};

const char *flow_class_name(enum flow_class c)
{
	static const char *const names[] = {"new", "established", "closed"};
	return names[c];
}

const char *exception_name(unsigned e)
{
	static const char *const names[] = {[EXCEPTION_IGNORE] = "ignore",
		[EXCEPTION_DROP_FLOW] = "drop_flow",
		[EXCEPTION_DROP_PACKET] = "drop_packet",
		[EXCEPTION_PASS_FLOW] = "pass_flow",
		[EXCEPTION_PASS_PACKET] = "pass_packet",
		[EXCEPTION_BYPASS] = "bypass",
		[EXCEPTION_REJECT] = "reject",
		[EXCEPTION_AUTO] = "auto"};

	return names[e];
}

const char *flow_end_name(enum flow_end e)
{
	static const char *const names[] = {"timeout", "forced", "shutdown", "tcp_reuse"};
	return names[e];
}

static uint64_t rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[static 4])
{
	v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
	v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein, 2012) over whole words. */
static uint64_t sip_hash(const uint64_t key[static 2], const uint64_t *words, size_t n)
{
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};

	for (size_t i = 0; i <= n; i++) {
		uint64_t m = i < n ? words[i] : (uint64_t)n << 59;
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static int key_order(const struct flow_key *k)
{
	int order = memcmp(&k->addr[0], &k->addr[1], sizeof(k->addr[0]));

	return order ? order : k->port[0] - k->port[1];
}

/* The same for both directions. */
static unsigned key_hash(const struct flow_table *t, const struct flow_key *k)
{
	unsigned low = key_order(k) > 0;
	uint64_t words[5];

	memcpy(&words[0], k->addr[low].bytes, 16);
	memcpy(&words[2], k->addr[!low].bytes, 16);
	words[4] = (uint64_t)k->port[low] << 48 | (uint64_t)k->port[!low] << 32 |
		   (uint64_t)k->ip_proto << 24 | (uint64_t)(k->vlan[0] ^ k->vlan[1] << 4);
	return (unsigned)(sip_hash(t->key, words, 5) & (BUCKETS - 1));
}

static bool key_eq(const struct flow_key *a, const struct flow_key *b, unsigned swap)
{
	return a->ip_proto == b->ip_proto && a->port[0] == b->port[swap] &&
	       a->port[1] == b->port[!swap] && memcmp(a->vlan, b->vlan, sizeof(a->vlan)) == 0 &&
	       memcmp(&a->addr[0], &b->addr[swap], sizeof(a->addr[0])) == 0 &&
	       memcmp(&a->addr[1], &b->addr[!swap], sizeof(a->addr[0])) == 0;
}

static struct flow_key key_of(const struct packet *p)
{
	struct flow_key k = {.addr = {p->src, p->dst},
		.port = {p->src_port, p->dst_port},
		.ip_proto = p->ip_proto};

	memcpy(k.vlan, p->vlan, sizeof(k.vlan));
	if (p->ip_proto == IPPROTO_ICMP || p->ip_proto == IPPROTO_ICMPV6)
		k.port[0] = k.port[1] =
			p->icmp_id; /* one flow a ping; all else of a pair of hosts together */
	return k;
}

static void list_remove(struct flow_list *l, struct flow *f)
{
	*(f->older ? &f->older->newer : &l->oldest) = f->newer;
	*(f->newer ? &f->newer->older : &l->newest) = f->older;
	f->older = f->newer = NULL;
}

static void list_append(struct flow_list *l, struct flow *f)
{
	f->older = l->newest;
	f->newer = NULL;
	*(l->newest ? &l->newest->newer : &l->oldest) = f;
	l->newest = f;
}

static void flow_finish(struct flow_table *t, struct flow *f, enum flow_end why)
{
	struct flow **at = &t->bucket[key_hash(t, &f->key)];

	t->on_end(t->ctx, f, why);
	while (*at != f)
		at = &(*at)->bucket_next;
	*at = f->bucket_next;
	list_remove(&t->class[f->class], f);
	*f = (struct flow){.newer = t->free};
	t->free = f;
	counter_inc(t->counters, COUNTER_FLOW_ENDED);
}

static void make_room(struct flow_table *t)
{
	static const enum flow_class order[] = {FLOW_CLOSED, FLOW_NEW, FLOW_ESTABLISHED};

	for (unsigned i = 0; i < FLOW_CLASSES; i++) {
		struct flow *f = t->class[order[i]].oldest;
		if (!f)
			continue;
		flow_finish(t, f, FLOW_END_FORCED);
		counter_inc(t->counters, COUNTER_FLOW_FORCED);
		return;
	}
}

static bool is_from_server(const struct packet *p)
{
	if (p->ip_proto == IPPROTO_TCP && p->tcp_flags & TCP_SYN)
		return p->tcp_flags & TCP_ACK;
	if (span_casestarts(p->payload, SPAN_LIT("HTTP/1.")))
		return true;
	return p->src_port && p->src_port < 1024 && p->dst_port >= 1024;
}

static struct flow *flow_begin(
	struct flow_table *t, const struct packet *p, struct flow_key k, unsigned bucket)
{
	if (!t->free && t->used == FLOW_MAX)
		make_room(t);
	struct flow *f = t->free;
	if (f)
		t->free = f->newer;
	else
		f = &t->flows[t->used++];
	*f = (struct flow){.key = k, .first = p->at, .id = t->next_id++};
	if (is_from_server(p))
		f->key = (struct flow_key){{k.addr[1], k.addr[0]}, {k.port[1], k.port[0]},
			{k.vlan[0], k.vlan[1]}, k.ip_proto};
	f->bucket_next = t->bucket[bucket];
	t->bucket[bucket] = f;
	list_append(&t->class[FLOW_NEW], f);
	counter_inc(t->counters, COUNTER_FLOW_TOTAL);
	return f;
}

static enum flow_class flow_state(const struct flow *f)
{
	if (f->key.ip_proto == IPPROTO_TCP && tcp_is_closed(&f->tcp))
		return FLOW_CLOSED;
	return f->established ? FLOW_ESTABLISHED : FLOW_NEW;
}

static void flow_follow(
	struct flow_table *t, struct flow *f, const struct packet *p, enum flow_side side)
{
	f->last = p->at;
	f->pkts[side]++;
	f->bytes[side] += p->wire_bytes;
	f->spoken[side] |= p->payload.n > 0;
	f->tcp_flags[side] |= p->tcp_flags;
	if (p->ip_proto != IPPROTO_TCP)
		f->established = f->pkts[0] && f->pkts[1];
	list_remove(&t->class[f->class], f);
	f->class = flow_state(f);
	list_append(&t->class[f->class], f);
}

void flow_settle(struct flow_table *t, struct flow *f)
{
	f->established = tcp_is_established(&f->tcp);
	enum flow_class class = flow_state(f);

	if (class == f->class)
		return;
	list_remove(&t->class[f->class], f);
	f->class = class;
	list_append(&t->class[f->class], f);
}

static bool is_timed_out(const struct flow *f, const struct timeval *now)
{
	return now->tv_sec - f->last.tv_sec > timeout_s[f->class];
}

/* A SYN on a closed connection is the next connection with the same ports, and so is what comes
 * after a silence that expiry has not got to yet. True: it has ended for this reason. */
static bool is_over(const struct flow *f, const struct packet *p, enum flow_end *ret_why)
{
	*ret_why = FLOW_END_TIMEOUT;
	if (is_timed_out(f, &p->at))
		return true;
	*ret_why = FLOW_END_REUSED;
	return f->class == FLOW_CLOSED && p->ip_proto == IPPROTO_TCP &&
	       (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

struct flow *flow_lookup(struct flow_table *t, const struct packet *p, enum flow_side *ret_side)
{
	struct flow_key k = key_of(p);
	unsigned bucket = key_hash(t, &k);
	struct flow *f = t->bucket[bucket];
	unsigned swap = 0;

	while (f) {
		if (key_eq(&f->key, &k, swap = 0) || key_eq(&f->key, &k, swap = 1))
			break;
		f = f->bucket_next;
	}
	enum flow_end why;
	if (f && is_over(f, p, &why)) {
		flow_finish(t, f, why);
		f = NULL;
	}
	if (!f) {
		f = flow_begin(t, p, k, bucket);
		swap = !key_eq(&f->key, &k, 0);
	}
	*ret_side = swap ? SIDE_SERVER : SIDE_CLIENT;
	flow_follow(t, f, p, *ret_side);
	return f;
}

static void view_fill(struct flow_view *v, const struct flow *f)
{
	*v = (struct flow_view){.key = f->key,
		.class = f->class,
		.fate = f->fate,
		.decision = f->decision,
		.id = f->id,
		.pkts = {f->pkts[0], f->pkts[1]},
		.bytes = {f->bytes[0], f->bytes[1]},
		.first = f->first,
		.last = f->last,
		.app_proto = f->app_proto,
		.app = f->app,
		.alerted = f->alerted};
	v->app.ndpi = NULL;
}

unsigned flow_copy(const struct flow_table *t, uint64_t id, struct flow_view *views, unsigned max)
{
	static const enum flow_class order[] = {FLOW_ESTABLISHED, FLOW_NEW, FLOW_CLOSED};
	unsigned n = 0;

	for (unsigned i = 0; i < FLOW_CLASSES; i++)
		for (const struct flow *f = t->class[order[i]].newest; f && n < max; f = f->older)
			if (id == 0 || f->id == id)
				view_fill(&views[n++], f);
	return n;
}

void flow_expire(struct flow_table *t, const struct timeval *now, unsigned max)
{
	for (unsigned c = 0; c < FLOW_CLASSES; c++)
		for (struct flow *f = t->class[c].oldest; f && max; f = t->class[c].oldest, max--) {
			if (!is_timed_out(f, now))
				break;
			flow_finish(t, f, FLOW_END_TIMEOUT);
		}
}

int flow_table_new(
	struct counters *counters, flow_end_fn *on_end, void *ctx, struct flow_table **ret)
{
	struct flow_table *t = calloc(1, sizeof(*t)); /* pages come with use */
	uint64_t seed = 0;

	if (!t)
		return -ENOMEM;
	if (getrandom(t->key, sizeof(t->key), 0) != sizeof(t->key) ||
		getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) {
		free(t);
		return -EIO;
	}
	t->next_id = seed >> 13; /* JSON numbers are exact up to 2^53 */
	t->counters = counters;
	t->on_end = on_end;
	t->ctx = ctx;
	*ret = t;
	return 0;
}

void flow_end_all(struct flow_table *t)
{
	for (unsigned c = 0; c < FLOW_CLASSES; c++)
		while (t->class[c].oldest)
			flow_finish(t, t->class[c].oldest, FLOW_END_SHUTDOWN);
}

void flow_table_free(struct flow_table *t)
{
	if (!t)
		return;
	flow_end_all(t);
	free(t);
}
