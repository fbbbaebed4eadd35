#include <systemd/sd-json.h>

#include "lib/cleanup.h"
#include "mail/envelope.h"
#include "mail/settings.h"

#include "unit.h"

static void test_parse(void **state)
{
	static const struct {
		const char *in;
		bool want;
	} rows[] = {
		{"{}", true},
		{"{\"enabled\":true,\"on-failure\":\"open\",\"authserv-id\":\"mx.example\","
		 "\"max-sessions\":7,\"max-message-bytes\":65536,\"idle-timeout\":10,\"virus\":"
		 "\"accept\","
		 "\"dmarc-reject\":\"accept\",\"unchecked\":\"accept\"}",
			true},
		{"{\"authserv-id\":\"a\\r\\nX: y\"}", false},
		{"{\"authserv-id\":\"\"}", false},
		{"{\"max-sessions\":0}", false},
		{"{\"max-sessions\":70000}", false},
		{"{\"virus\":\"defer\"}", false},
		{"{\"unchecked\":\"reject\"}", false},
		{"{\"unchecked\":1}", false},
		{"[]", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;
		_cleanup_free_ char *why = NULL;
		struct settings s = {.max_sessions = 42};

		assert_int_equal(sd_json_parse(rows[i].in, 0, &v, NULL, NULL), 0);
		assert_int_equal(settings_parse(v, &s, &why) == 0, rows[i].want);
		assert_int_equal(s.max_sessions, !rows[i].want ? 42 : i == 0 ? 1000 : 7);
		assert_int_equal(why != NULL, !rows[i].want);
		if (i == 1)
			assert_false(s.virus_reject || s.dmarc_reject || s.unchecked_defer);
	}
}

static void test_tls_and_relay(void **state)
{
	static const char text[] =
		"{\"line-ends\":\"normalise\",\"tls\":{\"without-certificate\":\"pass-through\","
		"\"onward\":\"none\",\"destination\":[{\"name\":\"2001:DB8::1\",\"onward\":"
		"\"required\"},"
		"{\"name\":\"bank.example\",\"onward\":\"required\"}],"
		"\"server\":[{\"address\":\"10.0.0.1\",\"certificate\":\"mx.example\"}]},"
		"\"relay\":[{\"address\":\"10.0.0.9\",\"server\":\"10.0.0.1\"}]}";
	static const char *const bad[] = {
		"{\"tls\":{\"onward\":\"perhaps\"}}",
		"{\"tls\":{\"destination\":[{\"onward\":\"none\"}]}}",
		"{\"tls\":{\"server\":[{\"address\":\"10.0.0.300\",\"certificate\":\"a\"}]}}",
		"{\"tls\":{\"server\":[{\"address\":\"10.0.0.3\",\"certificate\":\"../a\"}]}}",
		"{\"relay\":[{\"address\":\"a\",\"server\":\"10.0.0.1\"}]}",
		"{\"line-ends\":\"keep\"}",
		"{\"max-recipients\":0}",
	};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;
	_cleanup_free_ char *why = NULL;
	struct settings *s = calloc(1, sizeof(*s));

	(void)state;
	assert_non_null(s);
	assert_int_equal(sd_json_parse(text, 0, &v, NULL, NULL), 0);
	assert_int_equal(settings_parse(v, s, &why), 0);
	assert_true(s->normalise && s->tls.pass_through);
	assert_int_equal(settings_onward(s, "2001:db8::1"), ONWARD_REQUIRED);
	assert_int_equal(settings_onward(s, "10.0.0.1"), ONWARD_NONE);
	assert_int_equal(settings_onward_domain(s, "bank.example"), ONWARD_REQUIRED);
	assert_int_equal(settings_onward_domain(s, "a.Bank.example"), ONWARD_REQUIRED);
	assert_int_equal(settings_onward_domain(s, "notbank.example"), ONWARD_OPPORTUNISTIC);
	assert_string_equal(settings_certificate(s, "10.0.0.1"), "mx.example");
	assert_null(settings_certificate(s, "10.0.0.2"));
	assert_string_equal(settings_relay(s, "10.0.0.9")->server, "10.0.0.1");
	assert_null(settings_relay(s, "10.0.0.1"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *b = NULL;
		_cleanup_free_ char *reason = NULL;
		assert_int_equal(sd_json_parse(bad[i], 0, &b, NULL, NULL), 0);
		assert_true(settings_parse(b, s, &reason) < 0);
	}
	free(s);
}

static void test_endpoint(void **state)
{
	static const struct {
		const char *in;
		bool want;
		const char *ip;
		uint16_t port;
	} rows[] = {
		{"192.0.2.1:25", true, "192.0.2.1", 25},
		{"[2001:db8::1]:10025", true, "2001:db8::1", 10025},
		{"192.0.2.1", false, "", 0},
		{"192.0.2.1:70000", false, "", 0},
		{"host:25", false, "", 0},
		{":25", false, "", 0},
		{"", false, "", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct endpoint e;
		assert_int_equal(endpoint_parse(rows[i].in, &e), rows[i].want);
		if (rows[i].want) {
			assert_string_equal(e.ip, rows[i].ip);
			assert_int_equal(e.port, rows[i].port);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse),
		cmocka_unit_test(test_tls_and_relay), cmocka_unit_test(test_endpoint)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
