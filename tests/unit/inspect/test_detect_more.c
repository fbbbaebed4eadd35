/* Which rules keep a flow, or the empty segments of a connection, in view. */
#include "inspect/detect_more.h"

#include "inspect/ruleset.h"
#include "unit.h"

#define MB (1 << 20)

static struct ruleset *rules(const char *text)
{
	struct ruleset *rs = ruleset_new();
	struct rule_load_stats stats = {0};

	assert_non_null(rs);
	assert_int_equal(
		ruleset_add(rs, "test.rules", span_str(text), NULL, NULL, NULL, &stats), 0);
	assert_int_equal(stats.refused, 0);
	assert_int_equal(ruleset_finish(rs, NULL), 0);
	return rs;
}

#define BOTH .to_server = true, .to_client = true

struct more_row {
	const char *rule;
	struct detect_rest rest;
	bool want;
};

static void more_check(const struct more_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct ruleset *rs = rules(rows[i].rule);
		bool got = detect_needs_more(rs, &rows[i].rest);

		if (got != rows[i].want)
			print_error("row %zu: %s\n", i, rows[i].rule);
		assert_int_equal(got, rows[i].want);
		ruleset_put(rs);
	}
}

/* A flow of which rules have seen the beginning, but that is not past the depth: TLS. */
static void test_before_depth(void **state)
{
	static const struct more_row rows[] = {
		{"alert tls any any -> any any (tls.sni; content:\"x.test\"; sid:1;)",
			{PROTO_TLS, 443, BOTH, .bytes = 1000}, false},
		{"alert tls any any -> any any (content:\"abcd\"; sid:1;)",
			{PROTO_TLS, 443, BOTH, .bytes = 1000}, false},
		{"alert http any any -> any any (http.uri; content:\"abcd\"; sid:1;)",
			{PROTO_TLS, 443, BOTH, .bytes = 1000}, false},
		{"alert http any any -> any any (http.uri; content:\"abcd\"; sid:1;)",
			{PROTO_HTTP, 80, BOTH, .bytes = 1000}, true},
		{"alert tcp any any -> any any (http.uri; content:\"abcd\"; sid:1;)",
			{PROTO_TLS, 443, BOTH, .bytes = 1000}, false},
		{"alert tcp any any -> any any (content:\"abcd\"; sid:1;)",
			{PROTO_TLS, 443, BOTH, .bytes = 1000}, true},
		{"alert tcp any any -> any any (content:\"abcd\"; depth:100; sid:1;)",
			{PROTO_TLS, 443, BOTH, .bytes = 1000}, false},
		{"alert tcp any any -> any any (content:\"abcd\"; depth:100; sid:1;)",
			{PROTO_TLS, 443, BOTH, .bytes = 99}, true},
		{"alert tcp any any -> any any (content:\"abcd\"; offset:90; depth:20; "
		 "content:\"x\"; sid:1;)",
			{PROTO_IP, 1, BOTH, .bytes = 100}, true},
		{"alert tcp any any -> any any (content:\"abcd\"; offset:80; depth:20; "
		 "content:\"x\"; sid:1;)",
			{PROTO_IP, 1, BOTH, .bytes = 100}, false},
		{"alert tcp any any -> any any (content:!\"abcd\"; depth:20; content:\"x\"; "
		 "sid:1;)",
			{PROTO_IP, 1, BOTH, .bytes = 100}, true},
		{"alert tcp-pkt any any -> any any (content:\"abcd\"; depth:20; sid:1;)",
			{PROTO_TLS, 443, BOTH, .bytes = 100}, true},
		{"alert udp any any -> any any (content:\"abcd\"; sid:1;)",
			{PROTO_TLS, 443, BOTH, .bytes = 100}, false},
		{"alert tcp any any -> any 80 (flow:to_server; content:\"abcd\"; sid:1;)",
			{PROTO_IP, 443, BOTH, .bytes = 100}, false},
		{"alert tcp any any -> any 80 (content:\"abcd\"; sid:1;)", /* a client on port 80 */
			{PROTO_IP, 443, BOTH, .bytes = 100}, true},
		{"alert tcp any 443 -> any any (content:\"abcd\"; sid:1;)",
			{PROTO_IP, 443, BOTH, .bytes = 100}, true},
		{"alert tcp any 443 -> any 80 (flow:to_server; content:\"abcd\"; sid:1;)",
			{PROTO_IP, 443, BOTH, .bytes = 100}, false},
		{"alert tcp any any -> any any (flags:S; sid:1;)", {PROTO_IP, 443, BOTH}, false},
		{"alert ip [192.0.2.1] any -> any any (sid:1;)", {PROTO_IP, 443, BOTH}, false},
		{"alert ip [192.0.2.1] any -> any any (flowbits:set,seen; sid:1;)",
			{PROTO_IP, 443, BOTH}, false},
		{"alert ip any any -> any any (flowbits:isset,seen; sid:1;)", {PROTO_IP, 443, BOTH},
			true},
	};

	(void)state;
	more_check(rows, ARRAY_LEN(rows));
}

static void test_past_depth(void **state)
{
#define PAST .bytes = MB, .past_depth = true
	static const struct more_row rows[] = {
		/* streams and readers have ended */
		{"alert tcp any any -> any any (content:\"abcd\"; sid:1;)",
			{PROTO_IP, 5201, BOTH, PAST}, false},
		{"alert tcp-stream any any -> any 5201 (content:\"abcd\"; sid:1;)",
			{PROTO_IP, 5201, BOTH, PAST}, false},
		{"alert http any any -> any any (http.uri; content:\"abcd\"; sid:1;)",
			{PROTO_HTTP, 80, BOTH, PAST}, false},
		{"alert http any any -> any any (http.uri; content:\"abcd\"; sid:1;)",
			{PROTO_IP, 80, BOTH, PAST, .hold_all = true}, false},
		{"alert tcp any any -> any any (file.data; content:\"abcd\"; sid:1;)",
			{PROTO_HTTP, 80, BOTH, PAST, .hold_all = true}, false},
		/* packets of any port */
		{"alert tcp any any -> any any (dsize:>1000; content:\"abcd\"; sid:1;)",
			{PROTO_IP, 5201, BOTH, PAST}, false},
		{"alert tcp any any -> any any (dsize:>1000; content:\"abcd\"; sid:1;)",
			{PROTO_IP, 5201, BOTH, PAST, .hold_all = true}, true},
		{"alert tcp-pkt any any -> any 1024: (content:\"abcd\"; depth:4; sid:1;)",
			{PROTO_IP, 5201, BOTH, PAST}, false},
		{"alert tcp-pkt any any -> any !80 (content:\"abcd\"; sid:1;)",
			{PROTO_IP, 5201, BOTH, PAST}, false},
		{"alert tcp-pkt any any -> any !80 (content:\"abcd\"; sid:1;)",
			{PROTO_IP, 80, .to_server = true, PAST, .hold_all = true}, false},
		/* packets of this port: their own direction */
		{"alert tcp-pkt any any -> any [80,5201] (content:\"abcd\"; sid:1;)",
			{PROTO_IP, 5201, BOTH, PAST}, true},
		{"alert tcp-pkt any any -> any [80,5201] (content:\"abcd\"; sid:1;)",
			{PROTO_IP, 5201, .to_client = true, PAST}, false},
		{"alert tcp any any -> any 80 (flow:to_server; dsize:18; content:\"GET\"; sid:1;)",
			{PROTO_HTTP, 80, .to_client = true, PAST}, false},
		{"alert tcp any any -> any 80 (flow:to_server; dsize:18; content:\"GET\"; sid:1;)",
			{PROTO_HTTP, 80, .to_server = true, PAST}, true},
		{"alert tcp any 443 -> any any (flow:to_client; dsize:9; content:\"abcd\"; sid:1;)",
			{PROTO_IP, 443, .to_client = true, PAST}, true},
		{"alert tcp-pkt any 5201 <> any any (content:\"abcd\"; sid:1;)",
			{PROTO_IP, 5201, .to_server = true, PAST}, true},
		{"alert tcp any any -> any 5201 (flags:PA; sid:1;)", {PROTO_IP, 5201, BOTH, PAST},
			true},
		{"alert tcp any any -> any 5201 (flow:established; threshold:type both,track "
		 "by_src,count 9,seconds 9; sid:1;)",
			{PROTO_IP, 5201, BOTH, PAST}, true},
		/* of this application */
		{"alert ftp any any -> any any (dsize:>10; content:\"RETR\"; sid:1;)",
			{PROTO_FTP, 21, BOTH, PAST}, true},
		{"alert ftp any any -> any any (dsize:>10; content:\"RETR\"; sid:1;)",
			{PROTO_HTTP, 21, BOTH, PAST}, false},
		{"alert tls any any -> any any (dsize:7; content:\"abcd\"; sid:1;)",
			{PROTO_TLS, 443, BOTH, PAST}, false},
		{"alert udp any any -> any 5201 (dsize:7; content:\"abcd\"; sid:1;)",
			{PROTO_IP, 5201, BOTH, PAST}, false},
	};

	(void)state;
	more_check(rows, ARRAY_LEN(rows));
}

static void test_empty(void **state)
{
	static const struct {
		const char *rule;
		uint16_t port;
		bool want;
	} rows[] = {
		{"alert tcp any any -> any any (content:\"abcd\"; sid:1;)", 80, false},
		{"alert tcp-pkt any any -> any any (content:!\"abcd\"; sid:1;)", 80, false},
		{"alert http any any -> any any (http.uri; content:\"abcd\"; sid:1;)", 80, false},
		{"alert tcp any any -> any any (dsize:>0; sid:1;)", 80, false},
		{"alert tcp any any -> any any (dsize:0; sid:1;)", 80, true},
		{"alert tcp any any -> any 22 (dsize:0; sid:1;)", 80,
			true}, /* a client's port 22 */
		{"alert tcp any any -> any 22 (flow:to_server; dsize:0; sid:1;)", 80, false},
		{"alert tcp any any -> any any (flags:A; sid:1;)", 80, true},
		{"alert tcp any any -> any any (flags:*SA; sid:1;)", 80, true},
		{"alert tcp any any -> any any (flags:PA; sid:1;)", 80, false},
		{"alert tcp any any -> any any (flags:S,12; sid:1;)", 80, false},
		{"alert tcp any any -> any any (flags:F; sid:1;)", 80, false},
		{"alert tcp any any -> any any (window:0; sid:1;)", 80, true},
		{"alert tcp any any -> any any (ack:0; sid:1;)", 80, true},
		{"alert ip any any -> any any (ip_proto:41; sid:1;)", 80, false},
		{"alert ip any any -> any any (ttl:1; sid:1;)", 80, true},
		{"alert tcp any any -> any any (tcp.hdr; content:\"|50 10|\"; offset:12; sid:1;)",
			80, true},
		{"alert tcp any any -> any any (stream-event:pkt_invalid_ack; sid:1;)", 80, true},
		{"alert tcp [192.0.2.1] any -> any any (flow:established; sid:1;)", 80, false},
		{"alert tcp any any -> any any (flowbits:isset,a; sid:1;)", 80, true},
		{"alert udp any any -> any any (dsize:0; sid:1;)", 80, false},
		{"alert tcp any any -> any any (flow:established; threshold:type threshold,track "
		 "by_src,count 9,seconds 9; sid:1;)",
			80, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ruleset *rs = rules(rows[i].rule);
		bool got = detect_needs_empty(rs, rows[i].port);

		if (got != rows[i].want)
			print_error("row %zu: %s\n", i, rows[i].rule);
		assert_int_equal(got, rows[i].want);
		ruleset_put(rs);
	}
}

static void test_limited(void **state)
{
	struct ruleset *rs = rules("alert tcp any any -> any any (dsize:9; sid:1;)\n"
				   "alert tcp any any -> any 80 (flow:to_server; dsize:9; sid:2;)\n"
				   "alert tcp any 80 -> any any (flow:to_client; dsize:9; sid:3;)\n"
				   "alert tcp any 80 -> any any (flow:to_server; dsize:9; sid:4;)\n"
				   "alert ftp any any -> any any (dsize:9; sid:5;)\n"
				   "alert tcp any any -> any any (content:\"abcd\"; sid:6;)\n");

	(void)state;
	assert_int_equal(detect_limited(rs), 2); /* 1 and 4 */
	ruleset_put(rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_depth),
		cmocka_unit_test(test_past_depth),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
