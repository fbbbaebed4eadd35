/* Rules that ask whether a checksum is right. */
#include "inspect/checksum.h"

#include "inspect/decode.h"
#include "inspect/detect_scratch.h"
#include "unit.h"

static const uint8_t udp4[] = "\x45\0\0\x1f\0\1\0\0\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2"
			      "\x04\xd2\x16\x2e\0\x0b\0\0odd";
static const uint8_t tcp6[] = "\x60\0\0\0\0\x17\x06\x40"
			      "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
			      "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2"
			      "\x04\xd2\0\x50\0\0\0\1\0\0\0\1\x50\x10\x20\0\0\0\0\0odd";

static void put(uint8_t *field, uint16_t sum)
{
	field[0] = (uint8_t)(sum >> 8);
	field[1] = (uint8_t)sum;
}

/* The right values, by the sums written out; size without the NUL. */
static size_t make(uint8_t *b, bool six)
{
	size_t n = (six ? sizeof(tcp6) : sizeof(udp4)) - 1, head = six ? 40 : 20;
	size_t addr = six ? 8 : 12;

	memcpy(b, six ? tcp6 : udp4, n);
	uint32_t sum = checksum_add((uint32_t)(n - head) + (six ? 6 : 17), b + addr, head - addr);
	put(b + (six ? 56 : 26), checksum_fold(checksum_add(sum, b + head, n - head)));
	if (!six)
		put(b + 10, checksum_fold(checksum_add(0, b, 20)));
	return n;
}

static unsigned matches(const char *options, const struct packet *p)
{
	struct detect_match m[DETECT_MATCHES];
	struct rule_load_stats stats = {};
	struct ruleset *rs = ruleset_new();
	struct detect_scratch *s;
	char rule[128];
	struct detect_input in = {.src = p->src,
		.dst = p->dst,
		.ip_proto = p->ip_proto,
		.packet = p,
		.to_server = true};

	snprintf(rule, sizeof(rule), "alert ip any any -> any any (%s; sid:1;)", options);
	assert_int_equal(
		ruleset_add(rs, "test.rules", span_str(rule), NULL, NULL, NULL, &stats), 0);
	assert_int_equal(stats.loaded, 1);
	assert_int_equal(ruleset_finish(rs, NULL), 0);
	assert_int_equal(detect_scratch_new(rs, &s), 0);
	unsigned n = detect_run(rs, s, &in, NULL, m);
	detect_scratch_free(s);
	ruleset_put(rs);
	return n;
}

static void test_keywords(void **state)
{
	static const struct {
		const char *valid, *invalid;
		bool six;
		size_t broken; /* a byte that it covers */
	} rows[] = {
		{"ipv4-csum:valid", "ipv4-csum:invalid", false, 8},
		{"udpv4-csum:valid", "udpv4-csum:invalid", false, 29},
		{"udpv4-csum:valid", "udpv4-csum:invalid", false, 30},
		{"tcpv6-csum:valid", "tcpv6-csum:invalid", true, 62},
		{"tcpv6-csum:valid", "tcpv6-csum:invalid", true, 23},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t b[80];
		size_t n = make(b, rows[i].six);
		struct packet p = {};

		assert_int_equal(decode_ip(span_of(b, n), &p), DECODE_OK);
		assert_int_equal(matches(rows[i].valid, &p), 1);
		assert_int_equal(matches(rows[i].invalid, &p), 0);
		b[rows[i].broken] ^= 1;
		assert_int_equal(decode_ip(span_of(b, n), &p), DECODE_OK);
		assert_int_equal(matches(rows[i].valid, &p), 0);
		assert_int_equal(matches(rows[i].invalid, &p), 1);
		p.unsummed = true;
		assert_int_equal(matches(rows[i].invalid, &p), 0);
		assert_int_equal(matches(rows[i].six ? "udpv4-csum:valid" : "tcpv6-csum:valid", &p),
			0); /* another protocol has none */
	}
}

/* RFC 768: a UDP checksum of 0 was not made. */
static void test_none(void **state)
{
	uint8_t b[80];
	size_t n = make(b, false);
	struct packet p = {};

	(void)state;
	put(b + 26, 0);
	assert_int_equal(decode_ip(span_of(b, n), &p), DECODE_OK);
	assert_int_equal(matches("udpv4-csum:valid", &p), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keywords),
		cmocka_unit_test(test_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
