#include "inspect/reject.h"

#include "unit.h"

#define IP4 \
	"\x45\0\0\x2c\0\1\x40\0\x40\6\0\0" \
	"\x0a\0\0\1\x0a\0\0\2"
#define TCP "\x04\xd2\0\x50\0\0\0\x64\0\0\1\xf4\x50\x18\x20\0\0\0\0\0"

static unsigned sum16(uint32_t s, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i += 2)
		s += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static void test_reset(void **state)
{
	struct span bytes = SPAN_LIT(IP4 TCP "evil");
	uint8_t out[REJECT_BYTES];
	struct packet p = {}, q = {};

	(void)state;
	assert_int_equal(decode_ip(bytes, &p), DECODE_OK);
	assert_int_equal(reject_write(&p, REJECT_AS_RST, out), 40);
	assert_int_equal(decode_ip(span_of(out, 40), &q), DECODE_OK);
	assert_int_equal(q.tcp_flags, TCP_RST | TCP_ACK);
	assert_int_equal(q.seq, 100);
	assert_int_equal(q.ack, 500);
	assert_int_equal(q.payload.n, 0);
	assert_int_equal(sum16(0, out, 20), 0xffff);
	uint32_t pseudo = sum16(6 + 20, out + 12, 8);
	assert_int_equal(sum16(pseudo, out + 20, 20), 0xffff);
	reject_write(&p, REJECT_AS_ACK, out);
	assert_int_equal(out[33], TCP_ACK);
}

static void test_refuses(void **state)
{
	uint8_t out[REJECT_BYTES];
	struct packet p = {};

	(void)state;
	decode_ip(SPAN_LIT(IP4 TCP), &p);
	p.tcp_flags = TCP_SYN;
	assert_int_equal(reject_write(&p, REJECT_AS_RST, out), 0);
	p.tcp_flags = TCP_ACK;
	p.ip_proto = IPPROTO_UDP;
	assert_int_equal(reject_write(&p, REJECT_AS_RST, out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
