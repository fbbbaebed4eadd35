#include "inspect/stream.h"

#include <stdlib.h>

#include "unit.h"

struct world {
	struct stream s;
	struct stream_pool *pool;
	struct counters counters;
	char text[256];
	size_t n;
	char window[256];
	size_t window_n;
	bool gap, whole;
	uint64_t offset;
	char before[256];
	size_t before_n;
	unsigned seen_n;
};

static void on_data(void *ctx, const struct stream_data *d)
{
	struct world *w = ctx;

	if (w->n + d->fresh.n < sizeof(w->text)) {
		memcpy(w->text + w->n, d->fresh.p, d->fresh.n);
		w->n += d->fresh.n;
	}
	if (d->window.n < sizeof(w->window)) {
		memcpy(w->window, d->window.p, d->window.n);
		w->window_n = d->window.n;
	}
	if (d->gap && d->before.n < sizeof(w->before)) {
		memcpy(w->before, d->before.p, d->before.n);
		w->before_n = d->before.n;
	}
	w->seen_n += d->seen;
	w->gap |= d->gap;
	w->whole = d->whole;
	w->offset = d->offset;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->pool = calloc(1, sizeof(*w->pool));
	w->pool->counters = &w->counters;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	stream_free(&w->s, w->pool);
	assert_int_equal(w->pool->used_bytes, 0);
	free(w->pool);
	free(w);
	return 0;
}

static void push(struct world *w, uint32_t seq, const char *text)
{
	assert_true(stream_push(&w->s, w->pool, seq, span_str(text), on_data, w));
}

static void test_orders(void **state)
{
	struct piece {
		uint32_t seq;
		const char *text;
	};
	static const struct {
		const char *name;
		uint32_t syn;
		struct piece in[6];
		const char *want;
	} rows[] = {
		{"in order", 0, {{1, "abc"}, {4, "def"}}, "abcdef"},
		{"swapped", 0, {{4, "def"}, {1, "abc"}}, "abcdef"},
		{"three reversed", 0, {{7, "ghi"}, {4, "def"}, {1, "abc"}}, "abcdefghi"},
		{"retransmitted", 0, {{1, "abc"}, {1, "abc"}, {4, "def"}, {1, "abcdef"}}, "abcdef"},
		{"first copy stands", 0, {{1, "abc"}, {2, "XXd"}}, "abcd"},
		{"overlap kept ahead", 0, {{4, "def"}, {3, "cdefg"}, {1, "ab"}}, "abcdefg"},
		{"a longer copy of what is kept", 0, {{4, "de"}, {4, "defg"}, {1, "abc"}},
			"abcdefg"},
		{"hole stays", 0, {{1, "abc"}, {5, "efg"}}, "abc"},
		{"number wraps", 0xfffffffd, {{0, "cd"}, {0xfffffffe, "ab"}}, "abcd"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		void *fresh;
		setup(&fresh);
		struct world *w = fresh;
		stream_syn(&w->s, rows[i].syn);
		for (size_t j = 0; rows[i].in[j].text; j++)
			push(w, rows[i].in[j].seq, rows[i].in[j].text);
		if (!span_eq(span_of(w->text, w->n), span_str(rows[i].want)))
			fail_msg("%s: %.*s", rows[i].name, (int)w->n, w->text);
		assert_false(w->gap);
		teardown(&fresh);
	}
}

static void test_window_joins_segments(void **state)
{
	struct world *w = *state;

	push(w, 100, "abc"); /* picked up midway: no SYN */
	push(w, 103, "def");
	assert_true(span_eq(span_of(w->window, w->window_n), SPAN_LIT("abcdef")));
	assert_true(w->whole);
}

/* depth and offset of a rule count from the start of the stream, not of the window. */
static void test_window_knows_its_place(void **state)
{
	struct world *w = *state;
	static const uint8_t block[STREAM_TAIL_BYTES + 1000];

	assert_true(stream_push(&w->s, w->pool, 1, span_of(block, sizeof(block)), on_data, w));
	assert_int_equal(w->offset, 0);
	push(w, 1 + sizeof(block), "abc");
	assert_int_equal(w->offset, sizeof(block) - STREAM_TAIL_BYTES);
	assert_false(w->whole);
}

static void test_acknowledged_hole(void **state)
{
	struct world *w = *state;

	push(w, 1, "abc");
	push(w, 10, "jkl");
	stream_acked(&w->s, w->pool, 10, on_data,
		w); /* acknowledges the hole only up to the kept segment */
	assert_int_equal(w->n, 3);
	stream_acked(&w->s, w->pool, 11, on_data, w);
	assert_true(span_eq(span_of(w->text, w->n), SPAN_LIT("abcjkl")));
	assert_true(w->gap);
	assert_true(span_eq(
		span_of(w->window, w->window_n), SPAN_LIT("jkl"))); /* not joined over the hole */
	assert_int_equal(w->counters.value[COUNTER_TCP_GAPS], 1);
	assert_true(span_eq(span_of(w->before, w->before_n), SPAN_LIT("abc")));
}

static void test_look_ahead(void **state)
{
	struct world *w = *state;
	struct span window;
	uint64_t offset;

	stream_syn(&w->s, 0);
	push(w, 1, "abc");
	push(w, 7, "ghi");
	push(w, 10, "jkl");
	push(w, 20, "tuv");
	assert_false(stream_look_ahead(&w->s, w->pool, 1, &window, &offset));  /* delivered */
	assert_false(stream_look_ahead(&w->s, w->pool, 15, &window, &offset)); /* not here */
	assert_true(stream_look_ahead(&w->s, w->pool, 10, &window, &offset));
	assert_true(span_eq(window, SPAN_LIT("ghijkl")));
	assert_int_equal(offset, 6);
	push(w, 4, "def");
	assert_true(span_eq(span_of(w->text, w->n), SPAN_LIT("abcdefghijkl")));
	assert_int_equal(w->seen_n, 2); /* pieces */
}

/* The server has not answered yet: the last SYN may be the one that counts. */
static void test_another_syn(void **state)
{
	struct world *w = *state;

	stream_syn(&w->s, 700);
	stream_syn(&w->s, 0);
	push(w, 1, "abc");
	stream_syn(&w->s, 900);
	push(w, 4, "def");
	assert_true(span_eq(span_of(w->text, w->n), SPAN_LIT("abcdef")));
}

static void test_ahead_limit(void **state)
{
	static uint8_t block[65536];
	struct world *w = *state;

	push(w, 1, "a");
	for (unsigned i = 0; i < STREAM_AHEAD_BYTES / sizeof(block); i++)
		assert_true(stream_push(
			&w->s, w->pool, 10 + i * 65536, span_of(block, sizeof(block)), on_data, w));
	w->pool->inline_mode = true;
	assert_false(stream_push(&w->s, w->pool, 900000, SPAN_LIT("z"), on_data, w));
	assert_int_equal(w->s.next, 2); /* nothing skipped */
	w->pool->inline_mode = false;
	assert_true(stream_push(&w->s, w->pool, 900000, SPAN_LIT("z"), on_data, w));
	assert_true(w->gap);
	assert_int_equal(w->counters.value[COUNTER_TCP_MEMCAP], 2);
}

static void test_depth(void **state)
{
	static uint8_t block[65536];
	struct world *w = *state;

	stream_syn(&w->s, 0);
	for (unsigned i = 0; i < 20; i++)
		stream_push(
			&w->s, w->pool, 1 + i * 65536, span_of(block, sizeof(block)), on_data, w);
	assert_true(w->s.depth);
	assert_int_equal(w->s.bytes, STREAM_DEPTH_BYTES);
	assert_null(w->s.tail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders),
		cmocka_unit_test_setup_teardown(test_window_joins_segments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_window_knows_its_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_acknowledged_hole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_look_ahead, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_syn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ahead_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
