#include "inspect/decode.h"

#include <pcap/dlt.h>
#include <stdlib.h>

#include "unit.h"

#define ETH "\x02\0\0\0\0\1\x02\0\0\0\0\2"
#define IP4(len, proto) "\x45\0\0" len "\0\1\0\0\x40" proto "\0\0\x0a\0\0\1\x0a\0\0\2"
#define UDP "\x04\xd2\0\x35\0\x0c\0\0abcd"
#define TCP "\x04\xd2\0\x50\0\0\0\1\0\0\0\2\x50\x18\0\xff\0\0\0\0hi"
#define IP6(len, next) "\x60\0\0\0\0" len next "\x40" A6 "\1" A6 "\2"
#define A6 "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

#define ROW(name, link, bytes, ...) {name, link, SPAN_LIT(bytes), __VA_ARGS__}

static const struct {
	const char *name;
	int link;
	struct span in;
	enum decode_result want;
	uint8_t ip_proto;
	uint16_t dst_port;
	size_t payload;
	uint8_t vlan_n;
	bool truncated;
} rows[] = {
	ROW("UDP in IPv4", DLT_RAW, IP4("\x20", "\x11") UDP, DECODE_OK, 17, 53, 4, 0, false),
	ROW("TCP in IPv4 with padding", DLT_EN10MB, ETH "\x08\0" IP4("\x2a", "\x06") TCP "\0\0\0\0",
		DECODE_OK, 6, 80, 2, 0, false),
	ROW("one tag", DLT_EN10MB, ETH "\x81\0\0\x05\x08\0" IP4("\x20", "\x11") UDP, DECODE_OK, 17,
		53, 4, 1, false),
	ROW("two tags", DLT_EN10MB, ETH "\x88\xa8\0\x05\x81\0\0\x06\x08\0" IP4("\x20", "\x11") UDP,
		DECODE_OK, 17, 53, 4, 2, false),
	ROW("three tags", DLT_EN10MB,
		ETH "\x88\xa8\0\5\x81\0\0\6\x81\0\0\7\x08\0" IP4("\x20", "\x11") UDP,
		DECODE_INVALID, 0, 0, 0, 2, false),
	ROW("PPPoE", DLT_EN10MB, ETH "\x88\x64\x11\0\0\1\0\x22\0\x21" IP4("\x20", "\x11") UDP,
		DECODE_OK, 17, 53, 4, 0, false),
	ROW("cooked", DLT_LINUX_SLL, "\0\0\0\1\0\6\2\0\0\0\0\1\0\0\x08\0" IP4("\x20", "\x11") UDP,
		DECODE_OK, 17, 53, 4, 0, false),
	ROW("loopback, little endian", DLT_NULL, "\2\0\0\0" IP4("\x20", "\x11") UDP, DECODE_OK, 17,
		53, 4, 0, false),
	ROW("ARP", DLT_EN10MB, ETH "\x08\x06\0\1", DECODE_UNKNOWN, 0, 0, 0, 0, false),
	ROW("UDP in IPv6", DLT_RAW, IP6("\x0c", "\x11") UDP, DECODE_OK, 17, 53, 4, 0, false),
	ROW("hop-by-hop before TCP", DLT_RAW, IP6("\x1e", "\0") "\x06\0\1\4\0\0\0\0" TCP, DECODE_OK,
		6, 80, 2, 0, false),
	ROW("IPv6 first fragment", DLT_RAW, IP6("\x14", "\x2c") "\x11\0\0\1\0\0\0\1" UDP,
		DECODE_FRAGMENT, 44, 0, 0, 0, false),
	ROW("IPv6 later fragment", DLT_RAW, IP6("\x14", "\x2c") "\x11\0\0\x09\0\0\0\1" UDP,
		DECODE_FRAGMENT, 44, 0, 0, 0, false),
	ROW("IPv4 later fragment", DLT_RAW,
		"\x45\0\0\x20\0\1\0\x20\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2" UDP, DECODE_FRAGMENT, 17,
		0, 0, 0, false),
	ROW("ICMP", DLT_RAW, IP4("\x1c", "\1") "\x08\0\0\0\x12\x34\0\1", DECODE_OK, 1, 0, 0, 0,
		false),
	ROW("cut short", DLT_RAW, IP4("\x40", "\x11") "\x04\xd2\0\x35\0\x2c\0\0abcd", DECODE_OK, 17,
		53, 4, 0, true),
	ROW("IHL too small", DLT_RAW, "\x44\0\0\x20\0\1\0\0\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2" UDP,
		DECODE_INVALID, 17, 0, 0, 0, false),
	ROW("IP length under header", DLT_RAW, IP4("\x10", "\x11") UDP, DECODE_INVALID, 17, 0, 0, 0,
		false),
	ROW("TCP offset too small", DLT_RAW,
		IP4("\x28", "\x06") "\x04\xd2\0\x50\0\0\0\1\0\0\0\2\x40\x18\0\xff\0\0\0\0",
		DECODE_INVALID, 6, 80, 0, 0, false),
	ROW("TCP offset past the end", DLT_RAW,
		IP4("\x28", "\x06") "\x04\xd2\0\x50\0\0\0\1\0\0\0\2\xf0\x18\0\xff\0\0\0\0",
		DECODE_INVALID, 6, 80, 0, 0, false),
	ROW("version 5", DLT_RAW, "\x55", DECODE_INVALID, 0, 0, 0, 0, false),
	ROW("nothing", DLT_EN10MB, "", DECODE_INVALID, 0, 0, 0, 0, false),
	ROW("unknown link", 147, "abc", DECODE_UNKNOWN, 0, 0, 0, 0, false),
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct packet p = {.number = 7};
		enum decode_result r = decode_link(rows[i].link, rows[i].in, &p);

		if (r != rows[i].want || p.vlan_n != rows[i].vlan_n ||
			p.truncated != rows[i].truncated)
			fail_msg("%s: result %d, %u tags, truncated %d", rows[i].name, r, p.vlan_n,
				p.truncated);
		assert_int_equal(p.number, 7);
		if (r == DECODE_OK &&
			(p.ip_proto != rows[i].ip_proto || p.dst_port != rows[i].dst_port ||
				p.payload.n != rows[i].payload))
			fail_msg("%s: protocol %u, port %u, payload %zu", rows[i].name, p.ip_proto,
				p.dst_port, p.payload.n);
	}
}

/* Every prefix of every row: no read past the end (seen by ASan), and never more payload than
 * bytes. */
static void test_prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t n = 0; n <= rows[i].in.n; n++) {
			uint8_t *copy = malloc(n + 1);
			struct packet p = {};

			memcpy(copy, rows[i].in.p, n);
			decode_link(rows[i].link, span_of(copy, n), &p);
			assert_true(p.payload.n <= n);
			free(copy);
		}
}

/* DECODE_EXTENSIONS headers pass, one more is refused. */
static void test_extension_limit(void **state)
{
	static const uint8_t udp[] = UDP;

	(void)state;
	for (unsigned n = DECODE_EXTENSIONS - 1; n <= DECODE_EXTENSIONS; n++) {
		uint8_t bytes[40 + 8 * DECODE_EXTENSIONS + 12] = {0x60};
		struct packet p = {};
		size_t at = 40;

		bytes[5] = (uint8_t)(8 * n + 12);
		bytes[6] = n ? IPPROTO_DSTOPTS : IPPROTO_UDP;
		for (unsigned i = 0; i < n; i++, at += 8)
			bytes[at] = i + 1 < n ? IPPROTO_DSTOPTS : IPPROTO_UDP;
		memcpy(bytes + at, udp, 12);
		assert_int_equal(decode_ip(span_of(bytes, at + 12), &p),
			n < DECODE_EXTENSIONS ? DECODE_OK : DECODE_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_extension_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
