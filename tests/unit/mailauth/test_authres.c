#include "mailauth/authres.h"

#include <stdlib.h>

#include "unit.h"

static void test_forged(void **state)
{
	static const struct {
		const char *in;
		bool want;
	} rows[] = {
		{"Authentication-Results: mx.example; spf=pass\r\n", true},
		{"AUTHENTICATION-results : MX.Example; spf=pass\r\n", true},
		{"Authentication-Results:\r\n\t(a (b) \\) c) mx.example\r\n 1; spf=pass\r\n", true},
		{"Authentication-Results: \"mx.\\example\"; spf=pass\r\n", true},
		{"Authentication-Results: mx.example(c); spf=pass\r\n", true},
		{"Authentication-Results: mx.example.; spf=pass\r\n", true},
		{"Authentication-Results: (open mx.example; spf=pass\r\n", true},
		{"Authentication-Results: \"mx.exam\r\n ple\r\n", true},
		{"Authentication-Results:\r\n", true},
		{"Authentication-Results: mx.example.net; spf=pass\r\n", false},
		{"Authentication-Results: amx.example; spf=pass\r\n", false},
		{"X-Authentication-Results: mx.example; spf=pass\r\n", false},
	};
	struct message *m = malloc(sizeof(*m));
	struct range *ranges = malloc(HEADER_FIELDS_MAX * sizeof(*ranges));

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512] = "From: a@example.com\r\n";
		size_t before = strlen(text);
		strcat(text, rows[i].in);
		strcat(text, "\r\nbody");
		message_read(m, span_str(text));
		unsigned n = authres_find_forged(m, "mx.example", ranges);
		if (n != rows[i].want)
			fail_msg("%s", rows[i].in);
		if (n)
			assert_true(ranges[0].offset == before &&
				    ranges[0].length == strlen(rows[i].in));
	}
	free(ranges);
	free(m);
}

static void test_write(void **state)
{
	struct spf_judgement spf = {.result = SPF_PASS, .domain = "example.com"};
	struct dkim_judgement dkim = {
		.result = DKIM_FAIL, .domain = "example.net", .selector = "s", .reason = "why"};
	struct dmarc_judgement dmarc = {
		.result = DMARC_PASS, .policy = DMARC_POLICY_REJECT, .domain = "example.com"};
	char out[AUTHRES_BYTES];

	(void)state;
	authres_write("mx.example", &spf, &dkim, 1, &dmarc, out);
	assert_string_equal(out,
		"Authentication-Results: mx.example;\r\n\tspf=pass smtp.mailfrom=example.com;\r\n"
		"\tdmarc=pass (p=reject) header.from=example.com;\r\n"
		"\tdkim=fail reason=\"why\" header.d=example.net header.s=s\r\n");
	strcpy(spf.domain, "x\r\ny: \"z.example");
	authres_write("mx.example", &spf, &dkim, 0, &dmarc, out);
	assert_non_null(strstr(out, "smtp.mailfrom=\"x??y???z.example\";"));
	assert_non_null(strstr(out, ";\r\n\tdkim=none\r\n"));
	assert_true(authres_is_id("mx.example"));
	assert_false(authres_is_id("mx.example; spf"));
	assert_false(authres_is_id(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
