#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inspect/detect_scratch.h"

#include "unit.h"

static struct ruleset *rules(const char *text)
{
	struct rule_load_stats stats = {0};
	struct ruleset *rs = ruleset_new();

	assert_non_null(rs);
	assert_int_equal(
		ruleset_add(rs, "test.rules", span_str(text), NULL, NULL, NULL, &stats), 0);
	if (stats.refused)
		print_error("refused: %s\n", text);
	assert_int_equal(stats.refused, 0);
	assert_int_equal(ruleset_finish(rs, NULL), 0);
	return rs;
}

static const struct detect_input request = {
	.src = {4, {192, 168, 1, 10}},
	.dst = {4, {198, 51, 100, 1}},
	.src_port = 40000,
	.dst_port = 80,
	.ip_proto = IPPROTO_TCP,
	.app = PROTO_HTTP,
	.to_server = true,
	.established = true,
	.ttl = 64,
};

static unsigned run(struct ruleset *rs, const struct detect_input *in, struct detect_flow *flow,
	struct detect_match *matches)
{
	struct detect_scratch *s;
	unsigned n;

	assert_int_equal(detect_scratch_new(rs, &s), 0);
	n = detect_run(rs, s, in, flow, matches);
	for (size_t i = 0; i < s->words; i++)
		assert_int_equal(s->candidates[i], 0);
	detect_scratch_free(s);
	return n;
}

static void test_buffers(void **state)
{
	static const struct {
		const char *options;
		struct span payload;
		bool want;
	} rows[] = {
		{"content:\"abcd\";", SPAN_LIT("xxabcdxx"), true},
		{"content:\"abcd\";", SPAN_LIT("xxabcxd"), false},
		{"content:\"ABCD\"; nocase;", SPAN_LIT("xxaBcDxx"), true},
		{"content:\"ABCD\";", SPAN_LIT("xxaBcDxx"), false},
		{"content:\"|00 01 02|z\";", SPAN_LIT("y\x00\x01\x02z"), true},
		{"content:\"b\";", SPAN_LIT("abc"), true},
		{"content:!\"b\";", SPAN_LIT("abc"), false},
		{"content:!\"z\";", SPAN_LIT("abc"), true},
		{"content:!\"z\";", SPAN_LIT(""), true},
		/* offset and depth */
		{"content:\"cd\"; offset:2;", SPAN_LIT("abcd"), true},
		{"content:\"cd\"; offset:3;", SPAN_LIT("abcd"), false},
		{"content:\"cd\"; depth:4;", SPAN_LIT("abcd"), true},
		{"content:\"cd\"; depth:3;", SPAN_LIT("abcd"), false},
		{"content:\"cd\"; offset:1; depth:3;", SPAN_LIT("abcd"), true},
		{"content:\"cd\"; offset:1; depth:2;", SPAN_LIT("abcd"), false},
		{"content:!\"cd\"; depth:3;", SPAN_LIT("abcd"), true},
		{"content:\"ab\"; startswith;", SPAN_LIT("abcd"), true},
		{"content:\"bc\"; startswith;", SPAN_LIT("abcd"), false},
		{"content:\"cd\"; endswith;", SPAN_LIT("abcdcd"), true},
		{"content:\"ab\"; endswith;", SPAN_LIT("abcd"), false},
		{"content:\"abcd\"; startswith; endswith;", SPAN_LIT("abcd"), true},
		{"content:\"abcd\"; startswith; endswith;", SPAN_LIT("abcde"), false},
		/* distance and within */
		{"content:\"a\"; content:\"b\"; distance:0;", SPAN_LIT("ab"), true},
		{"content:\"a\"; content:\"b\"; distance:0;", SPAN_LIT("ba"), false},
		{"content:\"a\"; content:\"b\"; distance:1;", SPAN_LIT("ab"), false},
		{"content:\"a\"; content:\"b\"; distance:1;", SPAN_LIT("axb"), true},
		{"content:\"a\"; content:\"b\"; within:1;", SPAN_LIT("ab"), true},
		{"content:\"a\"; content:\"b\"; within:1;", SPAN_LIT("axb"), false},
		{"content:\"a\"; content:\"b\"; distance:2; within:3;", SPAN_LIT("a.....b"),
			false}, /* within counts from the distance */
		{"content:\"a\"; content:\"b\"; distance:2; within:3;", SPAN_LIT("a....b"), true},
		{"content:\"bc\"; content:\"ab\"; distance:-3; within:2;", SPAN_LIT("xabc"), true},
		{"content:\"a\"; content:\"a\"; distance:0;", SPAN_LIT("a"), false},
		/* the first place does not do, a later one does */
		{"content:\"a\"; content:\"b\"; within:1;", SPAN_LIT("axab"), true},
		{"content:\"a\"; content:\"b\"; distance:0; content:\"c\"; within:1;",
			SPAN_LIT("abxabxbc"), true},
		{"content:\"a\"; content:\"b\"; within:1; content:\"c\"; within:1;",
			SPAN_LIT("ababxabc"), true},
		{"content:\"a\"; content:!\"b\"; within:1;", SPAN_LIT("abac"), true},
		{"content:\"a\"; content:!\"b\"; within:1;", SPAN_LIT("abab"), false},
		{"content:\"a\"; content:\"b\"; within:1; content:\"a\"; content:\"c\"; within:1;",
			SPAN_LIT("acab"), true},
		/* isdataat */
		{"content:\"a\"; isdataat:1,relative;", SPAN_LIT("ab"), true},
		{"content:\"a\"; isdataat:1,relative;", SPAN_LIT("ba"), false},
		{"content:\"a\"; isdataat:!1,relative;", SPAN_LIT("aa"), true},
		{"content:\"a\"; isdataat:!1,relative;", SPAN_LIT("aab"), false},
		{"isdataat:2;", SPAN_LIT("abc"), true},
		{"isdataat:3;", SPAN_LIT("abc"), false},
		{"isdataat:!3;", SPAN_LIT("abc"), true},
		/* pcre */
		{"pcre:\"/^a.c$/\";", SPAN_LIT("abc"), true},
		{"pcre:\"/A.C/i\";", SPAN_LIT("xabc"), true},
		{"pcre:\"/a.c/\";", SPAN_LIT("a\nc"), false},
		{"pcre:\"/a.c/s\";", SPAN_LIT("a\nc"), true},
		{"pcre:!\"/a.c/\";", SPAN_LIT("abd"), true},
		{"pcre:!\"/a.c/\";", SPAN_LIT("abc"), false},
		{"content:\"a\"; pcre:\"/^b/R\";", SPAN_LIT("axab"), true},
		{"content:\"a\"; pcre:\"/^b/R\";", SPAN_LIT("axa"), false},
		{"content:\"a\"; pcre:!\"/^b/R\";", SPAN_LIT("abac"), true},
		{"pcre:\"/a+/\"; content:\"b\"; within:1;", SPAN_LIT("aaxaab"), true},
		{"pcre:\"/a.*b|c/\"; content:\"d\"; distance:0; content:\"e\"; distance:0;",
			SPAN_LIT("acdeb"), true},
		{"pcre:\"/x*/\"; content:\"b\"; within:1;", SPAN_LIT("aab"), true},
		{"pcre:/^ABC/i;", SPAN_LIT("abc"), true},
		{"pcre:!/^ABC/;", SPAN_LIT("abc"), true},
		{"pcre:\"/a\\;b/\";", SPAN_LIT("a;b"), true},
		/* prefilter by a part */
		{"content:\"abcdefgh\"; fast_pattern:2,4;", SPAN_LIT("xxabcdefghxx"), true},
		{"content:\"abcdefgh\"; fast_pattern:2,4;", SPAN_LIT("xxabcdefgxh"), false},
		{"content:\"abcdefgh\"; content:\"wxyz\"; fast_pattern;", SPAN_LIT("wxyzabcdefgh"),
			true},
	};
	struct detect_match m[DETECT_MATCHES];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[400];
		struct detect_input in = request;
		struct ruleset *rs;

		(void)snprintf(text, sizeof(text), "alert tcp any any -> any any (%s sid:1;)",
			rows[i].options);
		rs = rules(text);
		in.buffer[BUFFER_PAYLOAD] = rows[i].payload;
		if (run(rs, &in, NULL, m) != rows[i].want)
			print_error("%s on \"%.*s\"\n", rows[i].options, (int)rows[i].payload.n,
				rows[i].payload.p);
		assert_int_equal(run(rs, &in, NULL, m), rows[i].want);
		in.buffer[BUFFER_PAYLOAD] = (struct span){0};
		assert_int_equal(run(rs, &in, NULL, m), 0);
		ruleset_put(rs);
	}
}

/* A window that begins 10 bytes into the stream. */
static void test_stream_offset(void **state)
{
	static const struct {
		const char *options;
		bool want;
	} rows[] = {
		{"content:\"abcd\";", true},
		{"content:\"abcd\"; depth:4;", false},
		{"content:\"abcd\"; depth:14;", true},
		{"content:\"abcd\"; depth:13;", false},
		{"content:\"abcd\"; startswith;", false},
		{"content:\"abcd\"; offset:10;", true},
		{"content:\"abcd\"; offset:11;", false},
		{"content:\"abcd\"; content:\"ef\"; distance:0; within:2;", true},
		{"content:\"abcd\"; content:!\"GET\"; depth:3;", false},
		{"content:\"abcd\"; content:!\"GET\";", true},
		{"content:\"abcd\"; pcre:!\"/^a/\";", true},
		{"content:\"abcd\"; pcre:\"/^e/R\";", true},
		{"content:\"abcd\"; isdataat:15;", true},
		{"content:\"abcd\"; isdataat:16;", false},
		{"content:\"ef\"; endswith;", true},
	};
	struct detect_match m[DETECT_MATCHES];
	struct detect_input in = request;

	(void)state;
	in.stream = true;
	in.stream_offset = 10;
	in.buffer[BUFFER_PAYLOAD] = SPAN_LIT("abcdef");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[200];
		struct ruleset *rs;

		(void)snprintf(text, sizeof(text), "alert tcp any any -> any any (%s sid:1;)",
			rows[i].options);
		rs = rules(text);
		if (run(rs, &in, NULL, m) != rows[i].want)
			print_error("%s\n", text);
		assert_int_equal(run(rs, &in, NULL, m), rows[i].want);
		ruleset_put(rs);
	}
}

/* Beside the buffers of a transaction, payload is only for rules that look at both. */
static void test_payload_of_a_transaction(void **state)
{
	struct ruleset *rs = rules("alert http any any -> any any (content:\"abcd\"; sid:1;)\n"
				   "alert http any any -> any any (http.method; content:\"GET\"; "
				   "pkt_data; content:\"abcd\"; sid:2;)\n"
				   "alert http any any -> any any (http.method; content:\"GET\"; "
				   "pkt_data; content:\"wxyz\"; sid:3;)");
	struct detect_match m[DETECT_MATCHES];
	struct detect_input in = request;

	(void)state;
	in.buffer[BUFFER_PAYLOAD] = SPAN_LIT("GET /abcd");
	assert_int_equal(run(rs, &in, NULL, m), 1);
	assert_int_equal(m[0].sid, 1);
	in.transaction = true;
	in.buffer[BUFFER_HTTP_METHOD] = SPAN_LIT("GET");
	assert_int_equal(run(rs, &in, NULL, m), 1);
	assert_int_equal(m[0].sid, 2);
	assert_int_equal(m[0].buffer, BUFFER_HTTP_METHOD);
	ruleset_put(rs);
}

static void test_sticky_buffers(void **state)
{
	static const struct {
		const char *header, *options;
		bool want;
	} rows[] = {
		{"http",
			"http.uri; content:\"/a/b\"; startswith; http.host; content:\"x.test\"; "
			"endswith;",
			true},
		{"tcp", "http.uri; content:\"/a/b\"; bsize:8;", true},
		{"http", "http.uri; content:\"/a/b\"; bsize:<8;", false},
		{"http", "content:\"/a/b\"; http_uri; content:\"www\"; http_host; nocase;", true},
		{"http",
			"content:\"/a/b\"; http_uri; content:\"c=1\"; distance:1; http_uri; "
			"pcre:\"/^$/RU\";",
			false},
		{"http", "uricontent:\"/a/b\"; pcre:\"/^.c=1$/RU\"; urilen:8;", true},
		{"http", "http.uri; content:\"www\";", false},
		{"http", "http.cookie; content:!\"a\";", false}, /* the unit has no cookie */
		{"http", "http.host; dotprefix; content:\".x.test\"; endswith;", true},
		{"http", "http.host; dotprefix; content:\".www.x.test\"; bsize:11; endswith;",
			true},
		{"http", "http.host; dotprefix; content:\".w.x.test\"; endswith;", false},
		{"http", "http.host; content:\".www.x.test\";", false},
		{"tls", "tls.sni; content:\"x.test\";", false}, {"smtp", "", false},
		{"http", "flow:established,to_server; http.method; content:\"GET\";", true},
		{"http", "flow:to_client; http.header; content:\"GET\";", false},
		{"http", "flow:not_established; http.method; content:\"GET\";", false},
		{"http", "pkt_data; content:!\"a\";", false}, /* nor payload */
		{"ip", "", false}, /* matched the packets, not this transaction */
	};
	struct detect_match m[DETECT_MATCHES];
	struct detect_input in = request;

	(void)state;
	in.transaction = true;
	in.buffer[BUFFER_HTTP_URI] = SPAN_LIT("/a/b?c=1");
	in.buffer[BUFFER_HTTP_HOST] = SPAN_LIT("www.x.test");
	in.buffer[BUFFER_HTTP_METHOD] = SPAN_LIT("GET");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[400];
		struct ruleset *rs;

		(void)snprintf(text, sizeof(text), "alert %s any any -> any any (%s sid:1;)",
			rows[i].header, rows[i].options);
		rs = rules(text);
		if (run(rs, &in, NULL, m) != rows[i].want)
			print_error("%s\n", text);
		assert_int_equal(run(rs, &in, NULL, m), rows[i].want);
		ruleset_put(rs);
	}
}

static void test_headers(void **state)
{
	static const struct {
		const char *rule;
		bool want;
	} rows[] = {
		{"alert tcp $HOME_NET any -> $EXTERNAL_NET 80 (sid:1;)", true},
		{"alert tcp $EXTERNAL_NET any -> $HOME_NET any (sid:1;)", false},
		{"alert tcp $EXTERNAL_NET 80 <> $HOME_NET any (sid:1;)", true},
		{"alert tcp any any -> any [1:79,81:] (sid:1;)", false},
		{"alert tcp any any -> any [1:100,!80] (sid:1;)", false},
		{"alert tcp any any -> any !443 (sid:1;)", true},
		{"alert tcp [192.168.1.0/24,!192.168.1.10] any -> any any (sid:1;)", false},
		{"alert tcp ![10.0.0.0/8,192.168.2.0/24] any -> any any (sid:1;)", true},
		{"alert tcp 192.168.1.9-192.168.1.11 any -> any any (sid:1;)", true},
		{"alert tcp ::/0 any -> any any (sid:1;)", false},
		{"alert udp any any -> any any (sid:1;)", false},
		{"alert icmp any any -> any any (sid:1;)", false},
		{"alert pkthdr any any -> any any (sid:1;)", true},
		{"alert tcp-stream any any -> any any (sid:1;)", false},
		{"alert tcp any any -> any any (flow:only_stream; sid:1;)", false},
		{"alert tcp any any -> any any (flags:PA; sid:1;)", true},
		{"alert tcp any any -> any any (flags:A; sid:1;)", false},
		{"alert tcp any any -> any any (flags:A,P; sid:1;)", true},
		{"alert tcp any any -> any any (flags:+A; sid:1;)", true},
		{"alert tcp any any -> any any (flags:*SF; sid:1;)", false},
		{"alert tcp any any -> any any (flags:!S; sid:1;)", true},
		{"alert tcp any any -> any any (dsize:4; sid:1;)", true},
		{"alert tcp any any -> any any (dsize:4<>9; sid:1;)", false},
		{"alert tcp any any -> any any (ttl:<65; ip_proto:tcp; sid:1;)", true},
		{"alert ip any any -> any any (ip_proto:!6; sid:1;)", false},
		{"alert ip any any -> any any (itype:0; sid:1;)", false},
	};
	struct detect_match m[DETECT_MATCHES];
	struct detect_input in = request;

	(void)state;
	in.app = PROTO_IP;
	in.tcp_flags = 0x18;
	in.buffer[BUFFER_PAYLOAD] = SPAN_LIT("data");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ruleset *rs = rules(rows[i].rule);

		if (run(rs, &in, NULL, m) != rows[i].want)
			print_error("%s\n", rows[i].rule);
		assert_int_equal(run(rs, &in, NULL, m), rows[i].want);
		ruleset_put(rs);
	}
}

static void test_order(void **state)
{
	struct ruleset *rs = rules(
		"alert tcp any any -> any any (content:\"abcd\"; sid:5; msg:\"five\";)\n"
		"alert tcp any any -> any any (content:\"abcd\"; sid:4; priority:1; rev:7;)\n"
		"reject tcp any any -> any any (content:\"bcde\"; sid:3;)\n"
		"drop tcp any any -> any any (content:\"a\"; sid:9; classtype:trojan-activity;)\n"
		"pass tcp any any -> any any (content:\"pass\"; sid:8;)\n");
	struct detect_match m[DETECT_MATCHES];
	struct detect_input in = request;

	(void)state;
	in.buffer[BUFFER_PAYLOAD] = SPAN_LIT("abcde");
	assert_int_equal(run(rs, &in, NULL, m), 4);
	assert_int_equal(m[0].sid, 9);
	assert_int_equal(m[0].action, RULE_DROP);
	assert_int_equal(m[0].priority, 1);
	assert_true(m[0].class_desc[0] != 0);
	assert_int_equal(m[1].sid, 3);
	assert_int_equal(m[2].sid, 4);
	assert_int_equal(m[2].rev, 7);
	assert_int_equal(m[3].sid, 5);
	assert_int_equal(m[3].gid, 1);
	assert_int_equal(m[3].priority, 3);
	assert_string_equal(m[3].msg, "five");
	in.buffer[BUFFER_PAYLOAD] = SPAN_LIT("abcde pass");
	assert_int_equal(run(rs, &in, NULL, m), 1);
	assert_int_equal(m[0].action, RULE_PASS);
	ruleset_put(rs);
}

static void test_more_matches_than_room(void **state)
{
	static char text[DETECT_MATCHES * 2 * 80];
	struct detect_match m[DETECT_MATCHES];
	struct detect_input in = request;
	struct detect_scratch *s;
	struct ruleset *rs;
	size_t n = 0;

	(void)state;
	for (unsigned i = 0; i < DETECT_MATCHES + 5; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
			"alert tcp any any -> any any (content:\"abcd\"; sid:%u;)\n", 100 - i);
	rs = rules(text);
	assert_int_equal(detect_scratch_new(rs, &s), 0);
	in.buffer[BUFFER_PAYLOAD] = SPAN_LIT("abcd");
	assert_int_equal(detect_run(rs, s, &in, NULL, m), DETECT_MATCHES);
	assert_int_equal(m[0].sid, 100 - DETECT_MATCHES - 4);
	assert_int_equal(detect_scratch_stats(s).lost, 5);
	detect_scratch_free(s);
	ruleset_put(rs);
}

static void test_once_a_flow(void **state)
{
	struct ruleset *rs = rules("alert tcp any any -> any any (content:\"abcd\"; sid:1;)\n"
				   "drop tcp any any -> any any (content:\"abcd\"; sid:2;)");
	struct detect_match m[DETECT_MATCHES];
	struct detect_input in = request;
	struct unit_seen packet = {0}, stream = {0};

	(void)state;
	in.buffer[BUFFER_PAYLOAD] = SPAN_LIT("abcd");
	in.seen_packet = &packet;
	in.seen_stream = &stream;
	in.stream = true;
	assert_int_equal(run(rs, &in, NULL, m), 2);
	assert_false(m[0].silent);
	packet.n = 0; /* the next packet: its window holds the same bytes, and new ones */
	in.stream_old = 4;
	in.buffer[BUFFER_PAYLOAD] = SPAN_LIT("abcdabc");
	assert_int_equal(run(rs, &in, NULL, m), 0);
	in.buffer[BUFFER_PAYLOAD] = SPAN_LIT("abcdabcd");
	assert_int_equal(run(rs, &in, NULL, m), 2);
	in.stream = false; /* the packet that brought them */
	in.buffer[BUFFER_PAYLOAD] = SPAN_LIT("abcd");
	assert_int_equal(run(rs, &in, NULL, m), 1);
	assert_int_equal(m[0].sid, 2); /* what drops goes on dropping */
	assert_true(m[0].silent);
	packet.n = 0;
	assert_int_equal(run(rs, &in, NULL, m), 2);
	assert_int_equal(stream.n, 2);
	ruleset_put(rs);
}

/* Chains that hang on each other must not take time exponential in their length. */
static void test_limits(void **state)
{
	struct ruleset *rs = rules("alert tcp any any -> any any (content:\"a\"; content:\"a\"; "
				   "within:30; content:\"a\"; within:30; "
				   "content:\"a\"; within:30; content:\"a\"; within:30; "
				   "content:\"a\"; within:30; content:\"b\"; "
				   "within:2; sid:1;)\n"
				   "alert tcp any any -> any any (pcre:\"/(a+)+$/\"; sid:2;)\n"
				   "alert tcp any any -> any any (pcre:!\"/(a+)+$/\"; sid:3;)\n");
	static char payload[60000];
	struct detect_match m[DETECT_MATCHES];
	struct detect_input in = request;
	struct detect_scratch *s;

	(void)state;
	memset(payload, 'a', sizeof(payload));
	payload[sizeof(payload) - 1] = 'c';
	in.buffer[BUFFER_PAYLOAD] = span_of(payload, sizeof(payload));
	assert_int_equal(detect_scratch_new(rs, &s), 0);
	assert_int_equal(detect_run(rs, s, &in, NULL, m), 0);
	assert_int_equal(detect_scratch_stats(s).limits, 3);
	detect_scratch_free(s);
	ruleset_put(rs);
}

static void test_which_buffers(void **state)
{
	struct ruleset *rs = rules("alert http any any -> any any (http.uri; content:\"abcd\"; "
				   "http.host; bsize:3; sid:1;)");

	(void)state;
	assert_int_equal(
		detect_buffers(rs), BUFFER_BIT(BUFFER_HTTP_URI) | BUFFER_BIT(BUFFER_HTTP_HOST));
	ruleset_put(rs);
}

static void spoil(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x40;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static ino_t load_with_cache(const char *dir, const char *file, const char *content)
{
	char text[200], path[200];
	struct detect_match m[DETECT_MATCHES];
	struct detect_input in = request;
	struct rule_load_stats stats;
	struct ruleset *rs = NULL;
	struct stat st;
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	(void)snprintf(text, sizeof(text),
		"alert tcp any any -> any any (content:\"%s\"; sid:1;)\n", content);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(ruleset_load(&file, 1, NULL, dir, NULL, NULL, &rs, &stats), 0);
	assert_int_equal(stats.loaded, 1);
	in.buffer[BUFFER_PAYLOAD] = span_str(content);
	assert_int_equal(run(rs, &in, NULL, m), 1);
	ruleset_put(rs);
	(void)snprintf(path, sizeof(path), "%s/payload.hsdb", dir);
	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static void test_cache(void **state)
{
	char dir[] = "/tmp/test_detect.XXXXXX", file[100], path[100];
	ino_t first, second;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(file, sizeof(file), "%s/test.rules", dir);
	(void)snprintf(path, sizeof(path), "%s/payload.hsdb", dir);
	first = load_with_cache(dir, file, "abcd");
	assert_int_equal(load_with_cache(dir, file, "abcd"), first); /* used, not written again */
	second = load_with_cache(dir, file, "wxyz");
	assert_int_not_equal(second, first); /* foreign: replaced */
	spoil(path, 200);
	first = load_with_cache(dir, file, "wxyz");
	assert_int_not_equal(second, first); /* damaged: replaced */
	assert_int_equal(truncate(path, 20), 0);
	assert_int_not_equal(load_with_cache(dir, file, "wxyz"), 0);
	(void)unlink(file);
	(void)unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buffers),
		cmocka_unit_test(test_stream_offset),
		cmocka_unit_test(test_sticky_buffers),
		cmocka_unit_test(test_payload_of_a_transaction),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_more_matches_than_room),
		cmocka_unit_test(test_once_a_flow),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_which_buffers),
		cmocka_unit_test(test_cache),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
