/* Groups of expressions that events show. */
#include "inspect/capture.h"

#include "inspect/detect_scratch.h"
#include "unit.h"

static struct ruleset *rule_of(const char *options, unsigned want_loaded)
{
	struct rule_load_stats stats = {};
	struct ruleset *rs = ruleset_new();
	char rule[256];

	snprintf(rule, sizeof(rule), "alert udp any any -> any any (%s sid:1;)", options);
	assert_int_equal(
		ruleset_add(rs, "test.rules", span_str(rule), NULL, NULL, NULL, &stats), 0);
	assert_int_equal(stats.loaded, want_loaded);
	assert_int_equal(ruleset_finish(rs, NULL), 0);
	return rs;
}

static void test_match(void **state)
{
	static const struct {
		const char *options;
		const char *want; /* kind:name=value, in order; NULL: no match */
	} rows[] = {
		{"pcre:\"/(?P<alert_a>[a-z]+)/\";", "0:a=user"},
		{"pcre:\"/([a-z]+)=([0-9]+)/, flow:name, pkt:value\";", "1:name=user 2:value=17"},
		{"pcre:\"/(?P<flow_x>[0-9])(?P<other>[0-9])/\";", "1:x=1"},
		/* what is found again at a later place takes the first one's place */
		{"pcre:\"/([0-9])/, flow:x\"; content:\"|3b|\"; within:1;", "1:x=7"},
		/* not of this way through the expression */
		{"pcre:\"/(never)?=([0-9]+)/, flow:no, flow:yes\";", "1:yes=17"},
		{"pcre:\"/(user)/, flow:x\"; content:\"nowhere\";", NULL},
		{"content:\"user\";", ""},
		{"content:\"user\"; flowbits:set,traffic/id/ours; flowbits:noalert;", "3:ours="},
		{"content:\"user\"; flowbits:set,traffic/label/good;", "4:good="},
		{"content:\"user\"; flowbits:set,traffic/other;", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ruleset *rs = rule_of(rows[i].options, 1);
		struct detect_match m[DETECT_MATCHES];
		struct detect_scratch *s;
		struct detect_input in = {.ip_proto = IPPROTO_UDP,
			.src.family = 4,
			.dst.family = 4,
			.to_server = true,
			.buffer[BUFFER_PAYLOAD] = SPAN_LIT("user=17;")};
		char got[256] = "";
		size_t n = 0;

		assert_int_equal(detect_scratch_new(rs, &s), 0);
		assert_int_equal(detect_run(rs, s, &in, NULL, m), rows[i].want != NULL);
		for (unsigned k = 0; rows[i].want && k < m[0].n_captures; k++) {
			const struct capture *c = &m[0].captures[k];
			n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%d:%.*s=%.*s",
				k ? " " : "", (int)c->name->kind, c->name->n, c->name->text, c->n,
				(const char *)c->bytes);
		}
		if (rows[i].want && strcmp(got, rows[i].want) != 0)
			fail_msg("%s: %s", rows[i].options, got);
		detect_scratch_free(s);
		ruleset_put(rs);
	}
}

static void test_refused(void **state)
{
	(void)state;
	ruleset_put(rule_of("pcre:\"/(a)/, host:x\";", 0));
	ruleset_put(rule_of("pcre:\"/(a)/, flow\";", 0));
	ruleset_put(rule_of("pcre:\"/(a)/,flow:a,flow:b,flow:c,flow:d,flow:e,flow:f,flow:g,flow:h,"
			    "flow:i\";",
		0));
}

static void test_flow_vars(void **state)
{
	struct flow_var *vars = NULL;
	unsigned all = 0;

	(void)state;
	for (uint8_t i = 0; i < FLOW_VARS + 2; i++) {
		struct capture_name name = {
			.kind = CAPTURE_FLOW, .n = 1, .text = {(char)('a' + i)}};
		struct capture c = {&name, 1, {i}};
		flow_var_set(&vars, &all, &c);
		c.bytes[0]++;
		flow_var_set(&vars, &all, &c); /* again: in its place */
	}
	assert_int_equal(all, FLOW_VARS);
	assert_int_equal(vars->bytes[0], 1);
	flow_vars_free(&vars, &all);
	assert_int_equal(all, 0);
	assert_null(vars);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_flow_vars),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
