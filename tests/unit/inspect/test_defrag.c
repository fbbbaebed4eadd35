#include "inspect/defrag.h"

#include "inspect/checksum.h"

#include <stdio.h>

#include "unit.h"

struct world {
	struct defrag *d;
	struct counters counters;
	struct event_list events;
	uint8_t bytes[4096];
	struct packet p;
};

static int setup(void **state)
{
	static struct world w;

	w = (struct world){};
	*state = &w;
	return defrag_new(&w.counters, &w.d);
}

static int teardown(void **state)
{
	struct world *w = *state;

	defrag_free(w->d);
	return 0;
}

/* An IPv4 fragment of UDP from 1.0.0.1 to 1.0.0.2. */
static bool add4(struct world *w, unsigned id, unsigned offset, bool more, const char *text,
	struct span *whole)
{
	size_t n = strlen(text);
	uint8_t *b = w->bytes;
	unsigned fragment = offset / 8 | (more ? 0x2000u : 0);

	memset(b, 0, 20);
	b[0] = 0x45;
	b[2] = (uint8_t)((20 + n) >> 8);
	b[3] = (uint8_t)(20 + n);
	b[4] = (uint8_t)(id >> 8);
	b[5] = (uint8_t)id;
	b[6] = (uint8_t)(fragment >> 8);
	b[7] = (uint8_t)fragment;
	b[8] = 64;
	b[9] = IPPROTO_UDP;
	b[12] = b[16] = b[15] = 1;
	b[19] = 2;
	memcpy(b + 20, text, n);
	assert_int_equal(decode_ip(span_of(b, 20 + n), &w->p), DECODE_FRAGMENT);
	return defrag_add(w->d, &w->p, &w->events, whole);
}

/* The same of IPv6, behind a fragment header. */
static bool add6(struct world *w, unsigned offset, bool more, const char *text, struct span *whole)
{
	size_t n = strlen(text);
	uint8_t *b = w->bytes;

	memset(b, 0, 48);
	b[0] = 0x60;
	b[5] = (uint8_t)(8 + n);
	b[6] = IPPROTO_FRAGMENT;
	b[7] = 64;
	b[23] = 1;
	b[39] = 2;
	b[40] = IPPROTO_UDP;
	b[42] = (uint8_t)(offset >> 8);
	b[43] = (uint8_t)(offset | more);
	b[47] = 7;
	memcpy(b + 48, text, n);
	assert_int_equal(decode_ip(span_of(b, 48 + n), &w->p), DECODE_FRAGMENT);
	return defrag_add(w->d, &w->p, &w->events, whole);
}

#define UDP8 "\x04\xd2\x16\x2e\x01\x10\x01\x01" /* ports 1234 and 5678 */

static void test_in_any_order(void **state)
{
	struct world *w = *state;
	struct span whole;
	struct packet p;

	assert_false(add4(w, 1, 16, false, "world", &whole));
	assert_false(add4(w, 1, 8, true, "hello---", &whole));
	assert_false(add4(w, 2, 8, true, "another-", &whole)); /* of another packet */
	assert_true(add4(w, 1, 0, true, UDP8, &whole));
	assert_int_equal(decode_whole(whole, &w->p, &p), DECODE_OK);
	assert_int_equal(p.dst_port, 5678);
	assert_int_equal(checksum_fold(checksum_add(0, whole.p, 20)), 0);
	assert_true(span_eq(p.payload, SPAN_LIT("hello---world")));
	assert_int_equal(w->counters.value[COUNTER_DEFRAG_WHOLE], 1);
}

/* Who is shown the whole packet is shown the link header of the last fragment before it. */
static void test_link_header(void **state)
{
	struct world *w = *state;
	uint8_t frame[] = "EEEEEEEEEEEE\x08\0" /* Ethernet */
			  "\x45\0\0\x1c\0\1\0\1\x40\x11\0\0\1\0\0\1\1\0\0\2laterbit";
	struct span whole;
	struct packet p;

	add4(w, 1, 0, true, UDP8, &whole);
	p = (struct packet){};
	assert_int_equal(decode_link(1, span_of(frame, sizeof(frame) - 1), &p), DECODE_FRAGMENT);
	assert_int_equal(packet_link_bytes(&p), 14);
	assert_true(defrag_add(w->d, &p, &w->events, &whole));
	assert_int_equal(decode_whole(whole, &p, &w->p), DECODE_OK);
	assert_true(span_casestarts(w->p.frame, SPAN_LIT("EEEEEEEEEEEE")));
	assert_int_equal(w->p.frame.n, 14 + 20 + 16);
	assert_int_equal(w->p.link, 1);
}

static void test_first_copy_stands(void **state)
{
	struct world *w = *state;
	struct span whole;

	add4(w, 1, 8, true, "GOODGOOD", &whole);
	add4(w, 1, 8, true, "EVILEVIL", &whole);
	assert_true(event_has(&w->events, EVENT_IPV4_FRAG_OVERLAP));
	add4(w, 1, 0, true, UDP8, &whole);
	assert_true(add4(w, 1, 16, false, "!", &whole));
	assert_true(span_eq(span_skip(whole, 28), SPAN_LIT("GOODGOOD!")));
}

/* RFC 5722: one overlap, and the packet is nobody's. */
static void test_ipv6_overlap(void **state)
{
	struct world *w = *state;
	struct span whole;

	assert_false(add6(w, 0, true, UDP8 "aaaaaaaa", &whole));
	assert_false(add6(w, 8, true, "bbbbbbbb", &whole));
	assert_true(event_has(&w->events, EVENT_IPV6_FRAG_OVERLAP));
	assert_false(add6(w, 16, false, "c", &whole));
	assert_int_equal(w->counters.value[COUNTER_DEFRAG_GIVEN_UP], 1);
}

static void test_ipv6(void **state)
{
	struct world *w = *state;
	struct span whole;
	struct packet p;

	assert_false(add6(w, 8, false, "abc", &whole));
	assert_true(add6(w, 0, true, UDP8, &whole));
	assert_int_equal(decode_whole(whole, &w->p, &p), DECODE_OK);
	assert_true(span_eq(p.payload, SPAN_LIT("abc")));
}

static void test_limits(void **state)
{
	struct world *w = *state;
	struct span whole;

	for (unsigned i = 0; i < DEFRAG_TRACKERS + 5; i++)
		add4(w, i, 8, true, "12345678", &whole);
	assert_int_equal(w->counters.value[COUNTER_DEFRAG_GIVEN_UP], 5);
	add4(w, 9, 65528, true, "12345678", &whole);
	assert_true(event_has(&w->events, EVENT_IPV4_FRAG_PKT_TOO_LARGE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_any_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_link_header, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_copy_stands, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ipv6_overlap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ipv6, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
