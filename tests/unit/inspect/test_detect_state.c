/* What outlives one unit: flowbits, flowints, xbits, thresholds. */
#include "inspect/detect_scratch.h"

#include "unit.h"

struct bench {
	struct ruleset *rs;
	struct detect_scratch *s;
	struct detect_memory *memory;
	struct detect_flow flow;
	struct detect_input in;
};

static void bench_init(struct bench *b, const char *text)
{
	struct rule_load_stats stats = {0};

	*b = (struct bench){.rs = ruleset_new(),
		.in = {.src = {4, {192, 168, 1, 10}},
			.dst = {4, {198, 51, 100, 1}},
			.src_port = 40000,
			.dst_port = 80,
			.ip_proto = IPPROTO_TCP,
			.to_server = true,
			.established = true}};
	assert_non_null(b->rs);
	assert_int_equal(
		ruleset_add(b->rs, "test.rules", span_str(text), NULL, NULL, NULL, &stats), 0);
	assert_int_equal(stats.refused, 0);
	assert_int_equal(ruleset_finish(b->rs, NULL), 0);
	assert_int_equal(detect_scratch_new(b->rs, &b->s), 0);
	assert_int_equal(detect_memory_new(&b->memory), 0);
	detect_scratch_bind(b->s, b->memory);
}

static void bench_fini(struct bench *b)
{
	detect_scratch_free(b->s);
	detect_memory_free(b->memory);
	ruleset_put(b->rs);
}

/* The sids told, as "1 2". */
static const char *told(struct bench *b, const char *payload)
{
	static char text[200];
	struct detect_match m[DETECT_MATCHES];
	size_t n = 0;

	text[0] = 0;
	b->in.buffer[BUFFER_PAYLOAD] = span_str(payload);
	unsigned found = detect_run(b->rs, b->s, &b->in, &b->flow, m);
	for (unsigned i = 0; i < found; i++)
		if (!m[i].silent)
			n += (size_t)snprintf(
				text + n, sizeof(text) - n, "%s%u", n ? " " : "", m[i].sid);
	return text;
}

static void test_flowbits(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b,
		"alert tcp any any -> any any (content:\"open\"; flowbits:set,door; "
		"flowbits:noalert; sid:1;)\n"
		"alert tcp any any -> any any (content:\"enter\"; flowbits:isset,door|gate; "
		"sid:2;)\n"
		"alert tcp any any -> any any (content:\"knock\"; flowbits:isnotset,door; "
		"sid:3;)\n"
		"alert tcp any any -> any any (content:\"close\"; flowbits:unset,door; sid:4;)\n"
		"alert tcp any any -> any any (content:\"flip\"; flowbits:toggle,door; sid:5;)");
	assert_string_equal(told(&b, "enter"), "");
	assert_string_equal(told(&b, "knock"), "3");
	assert_string_equal(told(&b, "open"), "");
	assert_string_equal(told(&b, "enter"), "2");
	assert_string_equal(told(&b, "knock"), "");
	assert_string_equal(told(&b, "close"), "4");
	assert_string_equal(told(&b, "enter"), "");
	assert_string_equal(told(&b, "flip"), "5");
	assert_string_equal(told(&b, "enter"), "2");
	assert_string_equal(told(&b, "open enter"), "2"); /* setters come first */
	bench_fini(&b);
}

static void test_flow_limit(void **state)
{
	char text[8192];
	size_t n = 0;
	struct bench b;

	(void)state;
	for (unsigned i = 1; i <= DETECT_FLOW_BITS + 2; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
			"alert tcp any any -> any any (content:\"open\"; flowbits:set,b%u; "
			"sid:%u;)\n",
			i, i);
	bench_init(&b, text);
	(void)told(&b, "open");
	assert_int_equal(detect_scratch_stats(b.s).flow_full, 2);
	bench_fini(&b);
}

static void test_flowint(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b,
		"alert tcp any any -> any any (content:\"fail\"; flowint:tries,+,1; noalert; "
		"sid:1;)\n"
		"alert tcp any any -> any any (content:\"fail\"; flowint:tries,>=,3; sid:2;)");
	assert_string_equal(told(&b, "fail"), "");
	assert_string_equal(told(&b, "fail"), "");
	assert_string_equal(told(&b, "fail"), "2");
	bench_fini(&b);
}

static void test_xbits(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b,
		"alert tcp any any -> any any (content:\"mark\"; xbits:set,bad,track "
		"ip_src,expire 10; noalert; sid:1;)\n"
		"alert tcp any any -> any any (content:\"test\"; xbits:isset,bad,track ip_src; "
		"sid:2;)");
	assert_string_equal(told(&b, "test"), "");
	(void)told(&b, "mark");
	memset(&b.flow, 0, sizeof(b.flow));
	assert_string_equal(told(&b, "test"), "2");
	b.in.src.bytes[3] = 11; /* another host */
	assert_string_equal(told(&b, "test"), "");
	b.in.src.bytes[3] = 10;
	b.in.now.tv_sec = 9;
	assert_string_equal(told(&b, "test"), "2");
	b.in.now.tv_sec = 10;
	assert_string_equal(told(&b, "test"), "");
	bench_fini(&b);
}

static void test_thresholds(void **state)
{
	static const struct {
		const char *option;
		const char *want; /* for each second: told or not */
	} rows[] = {
		{"threshold:type limit,track by_src,count 2,seconds 5;", "11000110001"},
		{"threshold:type threshold,track by_src,count 3,seconds 100;", "00100100100"},
		{"threshold:type both,track by_dst,count 2,seconds 5;", "01000010000"},
		{"threshold:type backoff,track by_flow,count 1,multiplier 3;", "10100000100"},
		{"detection_filter:track by_both,count 3,seconds 100;", "00011111111"},
		{"threshold:type limit,track by_flow,count 1,seconds 4;", "10001000100"},
		{"threshold:type limit,track by_rule,count 1,seconds 60;", "10000000000"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[300];
		struct bench b;

		(void)snprintf(text, sizeof(text),
			"alert tcp any any -> any any (content:\"x\"; %s sid:7;)", rows[i].option);
		bench_init(&b, text);
		for (size_t at = 0; rows[i].want[at]; at++) {
			b.in.now.tv_sec = (time_t)at;
			if ((*told(&b, "x") == '7') != (rows[i].want[at] == '1'))
				fail_msg("%s at %zu s", rows[i].option, at);
		}
		bench_fini(&b);
	}
}

static void test_distinct_ports(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b,
		"alert tcp any any -> any any (content:\"x\"; detection_filter:track by_src, "
		"count 2, seconds 60, unique_on dst_port; sid:7;)");
	for (unsigned i = 0; i < 5; i++)
		assert_string_equal(told(&b, "x"), ""); /* one port, however often */
	b.in.dst_port = 81;
	assert_string_equal(told(&b, "x"), "");
	b.in.dst_port = 82;
	assert_string_equal(told(&b, "x"), "7");
	bench_fini(&b);
}

static void test_threshold_file(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, "alert tcp any any -> any any (content:\"x\"; sid:7;)\n"
		       "alert tcp any any -> any any (content:\"x\"; sid:8;)");
	assert_int_equal(
		ruleset_thresholds(b.rs, "t",
			SPAN_LIT("# comment\n"
				 "suppress gen_id 1, sig_id 7, track by_src, ip "
				 "[192.168.1.0/24,!192.168.1.9]\n"
				 "threshold gen_id 1, sig_id 0, type limit, track by_rule, "
				 "count 1, seconds 60\n"),
			NULL, NULL, NULL),
		0);
	assert_string_equal(told(&b, "x"), "8");
	assert_string_equal(told(&b, "x"), "");
	b.in.src.bytes[3] = 9;
	assert_string_equal(told(&b, "x"), "7");
	bench_fini(&b);
}

static void test_memory_makes_room(void **state)
{
	struct detect_memory *m;
	struct memory_key k = {.kind = MEMORY_XBIT};

	(void)state;
	assert_int_equal(detect_memory_new(&m), 0);
	for (uint32_t i = 1; i <= MEMORY_ENTRIES * 2; i++) {
		k.id = i;
		struct memory_value *v = detect_memory_enter(m, &k, 1, true);
		v->until_us = 100;
		detect_memory_leave(m);
	}
	assert_true(detect_memory_evicted(m) >= MEMORY_ENTRIES);
	assert_non_null(detect_memory_enter(m, &k, 99, false));
	detect_memory_leave(m);
	assert_null(detect_memory_enter(m, &k, 100, false));
	detect_memory_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flowbits),
		cmocka_unit_test(test_flow_limit),
		cmocka_unit_test(test_flowint),
		cmocka_unit_test(test_xbits),
		cmocka_unit_test(test_thresholds),
		cmocka_unit_test(test_distinct_ports),
		cmocka_unit_test(test_threshold_file),
		cmocka_unit_test(test_memory_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
