#include "mailauth/spf.h"

#include <stdio.h>
#include <stdlib.h>

#include "mailauth/spf_macro.h"
#include "unit.h"
#include "zone_text.h"

static void test_record_syntax(void **state)
{
	static const struct {
		const char *in;
		bool want;
	} rows[] = {
		{"v=spf1", true},
		{"v=spf1 -all", true},
		{"v=spf1   +a  MX/24//64 ~all ", true},
		{"v=spf1 a:%{d2}/0 ptr:example.com ip6:::1/0 ip4:192.0.2.0/24 -all", true},
		{"v=spf1 foo=bar%% redirect=%{ir}.example.com", true},
		{"v=spf1 a/33", false},
		{"v=spf1 a/024", false},
		{"v=spf1 a//129", false},
		{"v=spf1 a:", false},
		{"v=spf1 a:example.123", false},
		{"v=spf1 a:museum", false},
		{"v=spf1 all:example.com", false},
		{"v=spf1 include", false},
		{"v=spf1 exists:%{c}.example.com", false},
		{"v=spf1 exists:%{d0}.example.com", false},
		{"v=spf1 exists:%d.example.com", false},
		{"v=spf1 exists:%{d|}.example.com", false},
		{"v=spf1 ip4:192.0.2.256", false},
		{"v=spf1 ip4:192.0.2.1/", false},
		{"v=spf1 ip6:192.0.2.1", false},
		{"v=spf1 redirect=a.example redirect=b.example", false},
		{"v=spf1 exp=a.example exp=b.example", false},
		{"v=spf1 -foo", false},
		{"v=spf1 -", false},
		{"v=spf1\t-all", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool got = spf_record_is_spf(span_str(rows[i].in)) &&
			   spf_record_is_valid(span_str(rows[i].in));
		if (got != rows[i].want)
			fail_msg("%s", rows[i].in);
	}
}

static void test_macros(void **state)
{
	static const struct spf_macro_values v = {
		.sender = "strong-bad@email.example.com",
		.local = "strong-bad",
		.domain = "email.example.com",
		.current = "email.example.com",
		.ip = "192.0.2.3",
		.validated = "unknown",
		.reverse = "in-addr",
		.helo = "h",
		.ip_text = "192.0.2.3",
		.receiver = "r",
		.timestamp = "1",
	};
	static const struct {
		const char *in, *want;
	} rows[] = {
		/* RFC 7208, section 7.4 */
		{"%{s}", "strong-bad@email.example.com"},
		{"%{o}", "email.example.com"},
		{"%{d4}", "email.example.com"},
		{"%{d2}", "example.com"},
		{"%{d1}", "com"},
		{"%{dr}", "com.example.email"},
		{"%{d2r}", "example.email"},
		{"%{l-}", "strong.bad"},
		{"%{lr-}", "bad.strong"},
		{"%{l1r-}", "strong"},
		{"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
		{"%{S}", "strong-bad%40email.example.com"},
		{"%%%_%-", "% %20"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[SPF_EXPANSION_BYTES];
		size_t literal;
		assert_true(spf_macro_is_valid(span_str(rows[i].in), false, &literal));
		assert_true(spf_macro_expand(span_str(rows[i].in), &v, out));
		assert_string_equal(out, rows[i].want);
	}
	char big[3001], out[SPF_EXPANSION_BYTES];
	for (unsigned i = 0; i < 3000; i += 4)
		memcpy(big + i, "%{s}", 5);
	assert_false(spf_macro_expand(span_str(big), &v, out));
}

/* Judges with the zone answering, and counts the rounds. */
static enum spf_result check(
	const char *zone_text, const char *ip, const char *from, unsigned *rounds)
{
	sd_json_variant *zone = zone_parse(zone_text);
	struct dns_table *t = dns_table_new();
	struct envelope e = {.ip = ip, .helo = "helo.example", .mail_from = from, .receiver = "r"};
	struct spf_judgement j;

	assert_non_null(zone);
	for (*rounds = 1; spf_check(t, &e, &j), j.result == SPF_MORE; ++*rounds)
		zone_answer(zone, t);
	dns_table_free(t);
	sd_json_variant_unref(zone);
	return j.result;
}

static void test_results(void **state)
{
	static const struct {
		const char *zone, *ip, *from;
		enum spf_result want;
	} rows[] = {
		{"{}", "192.0.2.1", "a@example.com", SPF_NONE},
		{"{}", "nonsense", "a@example.com", SPF_NONE},
		{"{}", "192.0.2.1", "a@[192.0.2.1]", SPF_NONE},
		{"{\"example.com\": [\"TIMEOUT\"]}", "192.0.2.1", "a@example.com", SPF_TEMPERROR},
		{"{\"example.com\": [{\"TXT\": \"v=spf1 ip4:192.0.2.0/24 -all\"}]}", "192.0.2.1",
			"a@EXAMPLE.com", SPF_PASS},
		{"{\"example.com\": [{\"TXT\": \"v=spf1 ip4:192.0.2.0/24 -all\"}]}",
			"::ffff:192.0.2.1", "a@example.com", SPF_PASS},
		{"{\"example.com\": [{\"TXT\": \"v=spf1 ip4:192.0.2.0/24 -all\"}]}", "192.0.3.1",
			"a@example.com", SPF_FAIL},
		{"{\"example.com\": [{\"TXT\": \"v=spf1 ip6:2001:db8::/32 ~all\"}]}", "2001:db8::1",
			"a@example.com", SPF_PASS},
		{"{\"example.com\": [{\"TXT\": \"v=spf1 ip6:2001:db8::/32 ~all\"}]}", "2001:db9::1",
			"a@example.com", SPF_SOFTFAIL},
		{"{\"example.com\": [{\"TXT\": \"v=spf1 ip4:1.1.1.1/0 -all\"}]}", "192.0.2.1",
			"a@example.com", SPF_PASS},
		{"{\"example.com\": [{\"TXT\": \"v=spf1 a/0 -all\"}, {\"A\": \"1.1.1.1\"}]}",
			"192.0.2.1", "a@example.com", SPF_PASS},
		{"{\"example.com\": [{\"TXT\": \"v=spf1 a -all\"}, {\"A\": \"1.1.1.1\"}, {\"A\": "
		 "\"192.0.2.1\"}]}",
			"192.0.2.1", "a@example.com", SPF_PASS},
		{"{\"xn--bcher-kva.example\": [{\"TXT\": \"v=spf1 ip4:192.0.2.1 -all\"}]}",
			"192.0.2.1",
			"a@b\xc3\xbc"
			"cher.example",
			SPF_PASS},
		{"{}", "192.0.2.1", "a@\xff.example", SPF_NONE},
		{"{\"helo.example\": [{\"TXT\": \"v=spf1 -all\"}]}", "192.0.2.1", "", SPF_FAIL},
		{"{\"example.com\": [{\"TXT\": \"v=spf1\"}, {\"TXT\": \"v=spf1\"}]}", "192.0.2.1",
			"a@example.com", SPF_PERMERROR},
		{"{\"example.com\": [{\"TXT\": \"v=spf1 include:example.com -all\"}]}", "192.0.2.1",
			"a@example.com", SPF_PERMERROR},
		{"{\"example.com\": [{\"TXT\": \"v=spf1 a:x.example a:y.example a:z.example "
		 "+all\"}]}",
			"192.0.2.1", "a@example.com", SPF_PERMERROR},
	};
	unsigned rounds;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum spf_result got = check(rows[i].zone, rows[i].ip, rows[i].from, &rounds);
		if (got != rows[i].want)
			fail_msg("%s %s: %s", rows[i].zone, rows[i].ip, spf_result_name(got));
	}
}

/* The addresses of all names of an mx are asked for at once. */
static void test_rounds(void **state)
{
	unsigned rounds;

	(void)state;
	assert_int_equal(
		check("{\"example.com\": [{\"TXT\": \"v=spf1 mx -all\"}, {\"MX\": [1, "
		      "\"a.example\"]},"
		      "{\"MX\": [2, \"b.example\"]}], \"a.example\": [{\"A\": \"192.0.2.1\"}],"
		      "\"b.example\": [{\"A\": \"192.0.2.2\"}]}",
			"192.0.2.2", "a@example.com", &rounds),
		SPF_PASS);
	assert_int_equal(rounds, 4);
}

/* A closed table ends every evaluation. */
static void test_closed(void **state)
{
	struct dns_table *t = dns_table_new();
	struct envelope e = {
		.ip = "192.0.2.1", .helo = "h", .mail_from = "a@example.com", .receiver = "r"};
	struct spf_judgement j;

	(void)state;
	spf_check(t, &e, &j);
	assert_int_equal(j.result, SPF_MORE);
	dns_table_close(t);
	assert_false(dns_is_open(t));
	spf_check(t, &e, &j);
	assert_int_equal(j.result, SPF_TEMPERROR);
	dns_table_free(t);
}

static void test_table_limit(void **state)
{
	struct dns_table *t = dns_table_new();
	char name[32];

	(void)state;
	for (unsigned i = 0; i < DNS_QUESTIONS_MAX; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		assert_null(dns_ask(t, name, DNS_A));
	}
	assert_int_equal(dns_ask(t, "more.example", DNS_A)->status, DNS_TEMPFAIL);
	assert_int_equal(dns_ask(t, "a..b", DNS_A)->status, DNS_NXDOMAIN);
	struct dns_answer *a = dns_question(t, 0);
	for (unsigned i = 0; i <= DNS_RECORDS_MAX; i++)
		dns_answer_add(a, SPAN_LIT("\1\2\3\4"));
	dns_answer_end(a, DNS_NODATA);
	assert_int_equal(a->status, DNS_TEMPFAIL);
	assert_int_equal(a->count, 0);
	dns_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_syntax),
		cmocka_unit_test(test_macros),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_table_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
