#include "inspect/flow.h"

#include "unit.h"

struct ended {
	unsigned n;
	enum flow_end last;
};

static void on_end(void *ctx, struct flow *f, enum flow_end why)
{
	struct ended *e = ctx;

	(void)f;
	e->n++;
	e->last = why;
}

static struct packet packet(
	uint8_t src, uint16_t src_port, uint8_t dst, uint16_t dst_port, uint8_t flags, long at)
{
	return (struct packet){.at = {.tv_sec = at},
		.src = {4, {10, 0, 0, src}},
		.dst = {4, {10, 0, 0, dst}},
		.src_port = src_port,
		.dst_port = dst_port,
		.ip_proto = IPPROTO_TCP,
		.tcp_flags = flags};
}

struct world {
	struct flow_table *t;
	struct counters counters;
	struct ended ended;
};

static int setup(void **state)
{
	static struct world w;

	w = (struct world){};
	assert_int_equal(flow_table_new(&w.counters, on_end, &w.ended, &w.t), 0);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	flow_table_free(w->t);
	assert_int_equal(
		w->counters.value[COUNTER_FLOW_TOTAL], w->counters.value[COUNTER_FLOW_ENDED]);
	return 0;
}

static void test_client(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *name;
		uint16_t src_port, dst_port;
		uint8_t flags;
		enum flow_side want;
	} rows[] = {
		{"SYN", 80, 1025, TCP_SYN, SIDE_CLIENT},
		{"SYN+ACK", 1026, 80, TCP_SYN | TCP_ACK, SIDE_SERVER},
		{"midway, from the low port", 80, 1027, TCP_ACK, SIDE_SERVER},
		{"midway, to the low port", 1028, 80, TCP_ACK, SIDE_CLIENT},
		{"midway, both high", 5000, 6000, TCP_ACK, SIDE_CLIENT},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct packet there =
			packet(1, rows[i].src_port, 2, rows[i].dst_port, rows[i].flags, 1);
		struct packet back = packet(2, rows[i].dst_port, 1, rows[i].src_port, TCP_ACK, 1);
		enum flow_side side, other;
		struct flow *f = flow_lookup(w->t, &there, &side);

		if (side != rows[i].want)
			fail_msg("%s: side %d", rows[i].name, side);
		assert_ptr_equal(flow_lookup(w->t, &back, &other), f);
		assert_int_equal(other, !side);
		assert_int_equal(f->pkts[0] + f->pkts[1], 2);
	}
}

/* As the engine does: the flow, then the state of its connection. */
static struct flow *follow(struct world *w, const struct packet *p, enum flow_side *side)
{
	static const struct tcp_options options = {.midstream = false};
	struct event_list events = {};
	struct flow *f = flow_lookup(w->t, p, side);

	tcp_packet(&f->tcp, &options, p, *side == SIDE_SERVER, &events);
	flow_settle(w->t, f);
	return f;
}

static void test_life(void **state)
{
	struct world *w = *state;
	enum flow_side side;
	struct packet syn = packet(1, 1000, 2, 80, TCP_SYN, 10),
		      synack = packet(2, 80, 1, 1000, TCP_SYN | TCP_ACK, 10);
	struct packet ack = packet(1, 1000, 2, 80, TCP_ACK, 10),
		      rst = packet(2, 80, 1, 1000, TCP_RST, 11);

	syn.seq = 100;
	synack.seq = 200;
	synack.ack = ack.seq = 101;
	ack.ack = rst.seq = 201;

	follow(w, &syn, &side);
	assert_false(follow(w, &synack, &side)->established);
	struct flow *f = follow(w, &ack, &side);
	assert_true(f->established);
	assert_int_equal(f->class, FLOW_ESTABLISHED);
	flow_expire(w->t, &(struct timeval){.tv_sec = 10 + FLOW_ESTABLISHED_S}, 10);
	assert_int_equal(w->ended.n, 0);
	assert_int_equal(follow(w, &rst, &side)->class, FLOW_CLOSED);
	uint64_t id = f->id;
	syn.at.tv_sec = 12;
	assert_int_not_equal(follow(w, &syn, &side)->id, id); /* the same ports again */
	assert_int_equal(w->ended.last, FLOW_END_REUSED);
	flow_expire(w->t, &(struct timeval){.tv_sec = 12 + FLOW_NEW_S + 1}, 10);
	assert_int_equal(w->ended.last, FLOW_END_TIMEOUT);
	assert_int_equal(counters_flows(&w->counters), 0);
}

static void test_limit(void **state)
{
	struct world *w = *state;
	enum flow_side side;

	for (unsigned i = 0; i < FLOW_MAX + 100; i++) {
		struct packet p =
			packet((uint8_t)(i >> 15), (uint16_t)(1024 + i % 32768), 9, 80, TCP_SYN, 1);
		flow_lookup(w->t, &p, &side);
	}
	assert_int_equal(counters_flows(&w->counters), FLOW_MAX);
	assert_int_equal(w->counters.value[COUNTER_FLOW_FORCED], 100);
	assert_int_equal(w->ended.last, FLOW_END_FORCED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_client, setup, teardown),
		cmocka_unit_test_setup_teardown(test_life, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
