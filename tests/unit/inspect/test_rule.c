#include <errno.h>

#include "inspect/ruleset.h"

#include "unit.h"

struct refusal {
	unsigned line, column;
	uint32_t sid;
	char reason[200];
};

static void keep_refusal(void *ctx, const char *file, unsigned line, unsigned column, uint32_t sid,
	const char *reason)
{
	struct refusal *r = ctx;

	assert_string_equal(file, "test.rules");
	*r = (struct refusal){.line = line, .column = column, .sid = sid};
	(void)snprintf(r->reason, sizeof(r->reason), "%s", reason);
}

static struct ruleset *read_text(
	const char *text, struct refusal *refusal, struct rule_load_stats *stats)
{
	struct ruleset *rs = ruleset_new();

	*stats = (struct rule_load_stats){0};
	*refusal = (struct refusal){0};
	assert_non_null(rs);
	assert_int_equal(
		ruleset_add(rs, "test.rules", span_str(text), NULL, keep_refusal, refusal, stats),
		0);
	return rs;
}

static void test_refused(void **state)
{
	static const struct {
		const char *line;
		unsigned column;
		const char *reason; /* is part of the message */
	} rows[] = {
		{"alert tcp any any -> any any (msg:\"x\"; bogus:1; sid:1;)", 40,
			"keyword \"bogus\" is not supported"},
		{"alert tcp any any -> any any (threshold: type limit; sid:1;)", 42,
			"track by_src"},
		{"alert tcp any any -> any any (threshold: type limit, track by_src, count 0, "
		 "seconds 5; sid:1;)",
			42, "count above 0"},
		{"alert tcp any any -> any any (flowbits:put,a; sid:1;)", 40, "isset"},
		{"alert tcp any any -> any any (xbits:set,a; sid:1;)", 37, "track ip_src"},
		{"alert tcp any any -> any any (flowint:a,%,1; sid:1;)", 41, "notset"},
		{"alert tcp any any -> any any (byte_test:9,=,1,0; sid:1;)", 41, "up to 8 bytes"},
		{"alert tcp any any -> any any (byte_test:1,~,1,0; sid:1;)", 43, "or ^"},
		{"alert tcp any any -> any any (byte_jump:len,0; sid:1;)", 41, "a variable"},
		{"alert tcp any any -> any any (byte_math:bytes 1, oper +; sid:1;)", 41, "rvalue"},
		{"alert tcp any any -> any any (to_md5:1; sid:1;)", 38, "takes no value"},
		{"alert tcp any any -> any any (ipopts:odd; sid:1;)", 38, "IP option"},
		{"alert tcp any any -> any any (stream_size:all,<,5; sid:1;)", 43, "either"},
		{"alert http any any -> any any (app-layer-event:http.odd; sid:1;)", 48,
			"never raised"},
		{"allow tcp any any -> any any (sid:1;)", 1, "alert, drop, pass"},
		{"alert gopher any any -> any any (sid:1;)", 7,
			"protocol \"gopher\" is not supported"},
		{"alert tcp any any ~> any any (sid:1;)", 19, "->, => or <> is expected"},
		{"alert tcp any any -> any (sid:1;)", 25, "header ends early"},
		{"alert tcp any any -> any any x (sid:1;)", 30, "stands before the options"},
		{"alert tcp any any -> any any", 1, "a rule is expected"},
		{"alert tcp any any -> any any (sid:1;", 36, "closing parenthesis"},
		{"alert tcp any any -> any any (sid:1)", 31, "has no ;"},
		{"alert tcp any any -> any any (msg:\"x\";)", 1, "no sid"},
		{"alert tcp any any -> any any (sid:0;)", 35, "from 1 to"},
		{"alert tcp any any -> any any (sid:4294967296;)", 35, "from 1 to"},
		{"alert tcp 1.2.3.4/33 any -> any any (sid:1;)", 11, "an address"},
		{"alert tcp 1.2.3 any -> any any (sid:1;)", 11, "an address"},
		{"alert tcp [1.2.3.4,[5.6.7.8] any -> any any (sid:1;)", 44, "header ends early"},
		{"alert tcp [1.2.3.4]x any -> any any (sid:1;)", 11, "comma"},
		{"alert tcp !any any -> any any (sid:1;)", 12, "never match"},
		{"alert tcp $NOWHERE any -> any any (sid:1;)", 11, "\"$NOWHERE\" is not set"},
		{"alert tcp any 70000 -> any any (sid:1;)", 15, "a port"},
		{"alert tcp any 90:80 -> any any (sid:1;)", 15, "a port"},
		{"alert tcp any any -> any any (content:\"\"; sid:1;)", 40, "empty"},
		{"alert tcp any any -> any any (content:\"|4|\"; sid:1;)", 42, "digit is missing"},
		{"alert tcp any any -> any any (content:\"|41\"; sid:1;)", 43, "closing bar"},
		{"alert tcp any any -> any any (content:\"|4g|\"; sid:1;)", 42, "hexadecimal"},
		{"alert tcp any any -> any any (content:\"\\q\"; sid:1;)", 40, "backslash"},
		{"alert tcp any any -> any any (content:abc; sid:1;)", 39, "double quotes"},
		{"alert tcp any any -> any any (nocase; sid:1;)", 37, "needs a content"},
		{"alert tcp any any -> any any (content:\"abc\"; depth:2; sid:1;)", 52, "shorter"},
		{"alert tcp any any -> any any (content:\"abc\"; offset:x; sid:1;)", 53,
			"a number"},
		{"alert tcp any any -> any any (content:\"abc\"; startswith; offset:2; sid:1;)", 39,
			"startswith goes"},
		{"alert tcp any any -> any any (pcre:\"/(/\"; sid:1;)", 39, "pcre: "},
		{"alert tcp any any -> any any (pcre:\"abc\"; sid:1;)", 37, "/expression/flags"},
		{"alert tcp any any -> any any (pcre:\"/a/N\"; sid:1;)", 40, "no known flag"},
		{"alert tcp any any -> any any (flow:to_server,to_client; sid:1;)", 46,
			"contradicts"},
		{"alert tcp any any -> any any (flow:sideways; sid:1;)", 36, "to_server"},
		{"alert http any any -> any any (flow:to_client; http.uri; content:\"x\"; sid:1;)",
			66, "to_server only"},
		{"alert tls any any -> any any (http.uri; content:\"x\"; sid:1;)", 49,
			"does not occur in tls"},
		{"alert udp any any -> any any (http.uri; content:\"x\"; sid:1;)", 49,
			"does not occur in udp"},
		{"alert tcp any any -> any any (dsize:10<>11; sid:1;)", 37, "N<>M"},
		{"alert tcp any any -> any any (dsize:<0; sid:1;)", 37, "N<>M"},
		{"alert tcp any any -> any any (bsize:1; sid:1;)", 37, "sticky buffer"},
		{"alert tcp any any -> any any (flags:SX; sid:1;)", 38, "no TCP flag"},
		{"alert tcp any any -> any any (http.uri:1; sid:1;)", 40, "takes no value"},
		{"alert tcp any any -> any any (content; sid:1;)", 31, "needs a value"},
		{"\x01\xff", 1, "a rule is expected"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rule_load_stats stats;
		struct refusal r;
		struct ruleset *rs = read_text(rows[i].line, &r, &stats);

		if (r.column != rows[i].column || !strstr(r.reason, rows[i].reason))
			print_error("%s\n  column %u: %s\n", rows[i].line, r.column, r.reason);
		assert_int_equal(stats.refused, 1);
		assert_int_equal(stats.loaded, 0);
		assert_int_equal(r.line, 1);
		assert_int_equal(r.sid, strstr(rows[i].line, "sid:1;)") ? 1 : 0);
		assert_int_equal(r.column, rows[i].column);
		assert_non_null(strstr(r.reason, rows[i].reason));
		ruleset_put(rs);
	}
}

static void test_loaded(void **state)
{
	static const char *const rows[] = {
		"alert tcp any any -> any any (sid:1;)",
		"  alert   tcp  any  any  <>  any  any  ( msg : \"a \\; b \\\" c\" ;  sid : 1 ; "
		"rev:2; )  ",
		"drop http $HOME_NET any -> [$EXTERNAL_NET, !192.0.2.0/24] [80,8080:8090,!8085] "
		"(sid:1;)",
		"pass ip [::1,2001:db8::/32] any -> 10.0.0.1-10.0.0.9 :1024 (sid:1;)",
		"reject udp 10.0.0.0/255.0.0.0 1024: -> any !53 (sid:1;)",
		"alert tcp any any -> any any (content:\"a|3b 3B|b\\;c\\\\\"; nocase; offset:1; "
		"depth:20; sid:1;)",
		"alert http any any -> any any (content:\"/x\"; http_uri; content:!\"y\"; "
		"http_header; uricontent:\"z\"; sid:1;)",
		"alert http any any -> any any (http.uri; content:\"/x\"; startswith; "
		"pcre:\"/^[a-z\\;]+$/Ri\"; urilen:<9; sid:1;)",
		"alert dns any any -> any any (dns.query; dotprefix; content:\".a.test\"; "
		"endswith; fast_pattern; bsize:>3; sid:1;)",
		"alert tcp any any -> any any (flow:established, to_server; isdataat:!1,relative; "
		"flags:S,12; sid:1;)",
		"alert icmp any any -> any any (itype:8; icode:0; ttl:<5; dsize:1<>9; "
		"ip_proto:!17; sid:1;)",
		"alert tcp any any -> any any (metadata:a b, c d; reference:url,x.test/a; "
		"classtype:trojan-activity; "
		"target:src_ip; priority:7; gid:3; sid:1;)",
		"alert tcp any any -> any any (classtype:of-our-own; sid:1;)",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rule_load_stats stats;
		struct refusal r;
		struct ruleset *rs = read_text(rows[i], &r, &stats);

		if (stats.loaded != 1)
			print_error("%s\n  column %u: %s\n", rows[i], r.column, r.reason);
		assert_int_equal(stats.loaded, 1);
		ruleset_put(rs);
	}
}

static void test_file_goes_on_after_a_refusal(void **state)
{
	struct rule_load_stats stats;
	struct refusal r;
	struct ruleset *rs = read_text(
		"# comment\n\nalert tcp any any -> any any (sid:1; msg:\"one\";)\r\n"
		"alert tcp [1.2.3.4,5.6.7.8] any -> any any (sid:2; pcre:\"/a/\"; nope;)\n"
		"alert tcp [1.2.3.4,5.6.7.8] any -> any any (sid:3;)\n"
		"alert udp any any -> any any (sid:1;)",
		&r, &stats);

	(void)state;
	assert_int_equal(stats.loaded, 2);
	assert_int_equal(stats.refused, 2);
	assert_int_equal(r.line, 6); /* the last one: its sid is taken */
	assert_int_equal(r.sid, 1);
	assert_non_null(strstr(r.reason, "loaded already"));
	assert_int_equal(ruleset_count(rs), 2);
	assert_string_equal(rs->rules[0]->msg, "one");
	ruleset_put(ruleset_get(rs));
	ruleset_put(rs);
}

static void test_limits(void **state)
{
	static char line[RULE_LINE_BYTES + 100];
	struct rule_load_stats stats;
	struct refusal r;
	size_t n;

	(void)state;
	n = (size_t)snprintf(line, sizeof(line), "alert tcp any any -> any any (sid:1; msg:\"");
	memset(line + n, 'x', RULE_LINE_BYTES);
	(void)snprintf(line + n + RULE_LINE_BYTES - 10, 20, "\";)");
	ruleset_put(read_text(line, &r, &stats));
	assert_non_null(strstr(r.reason, "longer than 65536 bytes"));

	n = (size_t)snprintf(line, sizeof(line), "alert tcp any any -> any any (sid:1;");
	for (unsigned i = 0; i <= RULE_PATTERNS; i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "content:\"a\";");
	(void)snprintf(line + n, sizeof(line) - n, ")");
	ruleset_put(read_text(line, &r, &stats));
	assert_non_null(strstr(r.reason, "more than 64 patterns"));

	n = (size_t)snprintf(line, sizeof(line), "alert tcp [1.1.1.1");
	for (unsigned i = 0; i <= RANGE_ITEMS; i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, ",::1");
	(void)snprintf(line + n, sizeof(line) - n, "] any -> any any (sid:1;)");
	ruleset_put(read_text(line, &r, &stats));
	assert_non_null(strstr(r.reason, "more than 8192 items"));

	ruleset_put(read_text(
		"alert tcp [[[[[[[[[1.1.1.1]]]]]]]]] any -> any any (sid:1;)", &r, &stats));
	assert_non_null(strstr(r.reason, "nested more than 8 deep"));
}

static void test_variables(void **state)
{
	static const struct rule_var vars[] = {
		{"HOME_NET", "[192.0.2.0/24,!192.0.2.7]"}, {"LOOP", "[$LOOP]"}};
	static const struct rule_vars v = {.vars = vars, .n = ARRAY_LEN(vars)};
	static const struct {
		uint8_t addr[4];
		bool home;
	} rows[] = {{{192, 0, 2, 1}, true}, {{192, 0, 2, 7}, false}, {{198, 51, 100, 1}, false}};
	struct rule_load_stats stats = {0};
	struct ruleset *rs = ruleset_new();
	struct refusal r;

	(void)state;
	assert_int_equal(ruleset_add(rs, "test.rules",
				 SPAN_LIT("alert ip $HOME_NET any -> $EXTERNAL_NET any (sid:1;)\n"
					  "alert ip $LOOP any -> any any (sid:2;)"),
				 &v, keep_refusal, &r, &stats),
		0);
	assert_int_equal(stats.loaded, 1);
	assert_non_null(strstr(r.reason, "nested"));
	assert_int_equal(r.column, 10);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct detect_addr a = {.family = 4};

		memcpy(a.bytes, rows[i].addr, 4);
		assert_int_equal(range_set_has_addr(rs->rules[0]->src, &a), rows[i].home);
		assert_int_equal(range_set_has_addr(rs->rules[0]->dst, &a), !rows[i].home);
	}
	ruleset_put(rs);
}

static void test_numbers(void **state)
{
	static const struct {
		const char *in;
		bool want;
		uint32_t min, max;
		bool negated;
	} rows[] = {
		{"5", true, 5, 5, false},
		{"!5", true, 5, 5, true},
		{"<5", true, 0, 4, false},
		{"<=5", true, 0, 5, false},
		{">5", true, 6, UINT32_MAX, false},
		{">=5", true, 5, UINT32_MAX, false},
		{"5<>9", true, 6, 8, false},
		{"5 <> 9", true, 6, 8, false},
		{"5<>6", false, 0, 0, false},
		{"9<>5", false, 0, 0, false},
		{"<0", false, 0, 0, false},
		{">255", false, 0, 0, false},
		{"256", false, 0, 0, false},
		{"", false, 0, 0, false},
		{"<>", false, 0, 0, false},
		{"!", false, 0, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct number_range r = {0};

		assert_int_equal(number_range_parse(span_str(rows[i].in), 255, &r), rows[i].want);
		if (!rows[i].want)
			continue;
		assert_int_equal(r.min, rows[i].min);
		assert_int_equal(r.max, rows[i].max);
		assert_int_equal(r.negated, rows[i].negated);
	}
}

static void test_missing_file(void **state)
{
	static const char *const files[] = {"/nonexistent/test.rules"};
	struct rule_load_stats stats;
	struct ruleset *rs = NULL;

	(void)state;
	assert_int_equal(ruleset_load(files, 1, NULL, NULL, NULL, NULL, &rs, &stats), -ENOENT);
	assert_null(rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_loaded),
		cmocka_unit_test(test_file_goes_on_after_a_refusal),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_missing_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
