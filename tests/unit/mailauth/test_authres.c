#include "mailauth/authres.h"

#include <stdlib.h>

#include "mailauth/results.h"
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
		/* encodings */
		{"Authentication-Results: =?utf-8?q?mx=2Eexample?=; spf=pass\r\n", true},
		{"Authentication-Results: \"=?utf-8?b?bXguZXhhbXBsZQ==?=\"; spf=pass\r\n", true},
		{"Authentication-Results: \xef\xbd\x8d\xef\xbd\x98.example; spf=pass\r\n", true},
		{"Authentication-Results: \"\xef\xbd\x8dx.example\"; spf=pass\r\n", true},
		{"Authentication-Results: \xff.example; spf=pass\r\n", true},
		/* what is not a name behind it, and versions */
		{"Authentication-Results: mx.example/1; spf=pass\r\n", true},
		{"Authentication-Results: mx.example=x; spf=pass\r\n", true},
		{"Authentication-Results: mx.example, other.example; spf=pass\r\n", true},
		{"Authentication-Results: mx.example\r\n", true},
		{"Authentication-Results: mx.example\t2 ; spf=pass\r\n", true},
		{"Authentication-Results:mx.example;\r\n", true},
		{"Authentication-Results: \" mx.example \"; spf=pass\r\n", true},
		/* a name in pieces */
		{"Authentication-Results: mx . example; spf=pass\r\n", true},
		{"Authentication-Results: mx(c).example; spf=pass\r\n", true},
		{"Authentication-Results: mx.\r\n example; spf=pass\r\n", true},
		{"Authentication-Results: \"mx\".example; spf=pass\r\n", true},
		{"Authentication-Results: mx.\"example\" 1; spf=pass\r\n", true},
		/* folds before the name, the name without its colon */
		{"Authentication-Results\t :\r\n\t\r\n mx.example; spf=pass\r\n", true},
		{"Authentication-Results\r\n : mx.example; spf=pass\r\n", true},
		{"authentication-results\n mx.example; spf=pass\n", true},
		/* of others */
		{"Authentication-Results: \xef\xbd\x8d.other.example; spf=pass\r\n", false},
		{"Authentication-Results: other.example; spf=pass reason=\"mx.example\"\r\n",
			false},
		{"Authentication-Results: other.example; x=\"=?utf-8?q?y?=\"\r\n", false},
		{"Authentication-Results: (mx.example) other.example; spf=pass\r\n", false},
		{"ARC-Authentication-Results: i=1; mx.example; spf=pass\r\n", false},
		{"Authentication-Results: mx.example.net; spf=pass\r\n", false},
		{"Authentication-Results: amx.example; spf=pass\r\n", false},
		{"X-Authentication-Results: mx.example; spf=pass\r\n", false},
	};
	struct message *m = calloc(1, sizeof(*m));
	struct range *ranges = malloc(HEADER_FIELDS_MAX * sizeof(*ranges));

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512] = "From: a@example.com\r\n";
		size_t before = strlen(text);
		strcat(text, rows[i].in);
		strcat(text, "\r\nbody");
		message_read(m, span_str(text));
		unsigned n = results_find_forged(m, "mx.example", ranges);
		if (n != rows[i].want)
			fail_msg("%s", rows[i].in);
		if (n)
			assert_true(ranges[0].offset == before &&
				    ranges[0].length == strlen(rows[i].in));
	}
	free(ranges);
	message_free(m);
	free(m);
}

/* A field of any size is removed whole; a header over the limits is refused as a whole. */
static void test_sizes(void **state)
{
	static const char head[] = "Authentication-Results: (",
			  tail[] = ") mx.example; spf=pass\r\n";
	struct message m = {0};
	struct range *ranges = malloc(HEADER_FIELDS_MAX * sizeof(*ranges));
	const size_t n = HEADER_BYTES_MAX - 1000;
	char *text = malloc(n + 1000);

	(void)state;
	memcpy(text, head, sizeof(head) - 1);
	memset(text + sizeof(head) - 1, 'x', n);
	memcpy(text + sizeof(head) - 1 + n, tail, sizeof(tail));
	message_read(&m, span_str(text));
	assert_false(m.is_over);
	assert_int_equal(results_find_forged(&m, "mx.example", ranges), 1);
	assert_int_equal(ranges[0].length, strlen(text));

	for (size_t i = 0; i < n; i += 26)
		memcpy(text + i, "Authentication-Results:x\r\n", 26);
	message_read(&m, span_of(text, n));
	assert_true(m.is_over);
	message_free(&m);
	free(ranges);
	free(text);
}

static void test_instance(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{" i=1; mx.example; spf=pass", "1"},
		{" i = 12 ; x", "12"},
		{"\r\n\t(c) i=3;x", "3"},
		{" i=;x", ""},
		{" i=1 mx.example", ""},
		{" mx.example; i=1;", ""},
		{" j=1; x", ""},
		{" ; i=1", ""},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span rest, got = results_instance(span_str(rows[i].in), &rest);
		if (!span_eq(got, span_str(rows[i].want)))
			fail_msg("%s: %.*s", rows[i].in, (int)got.n, got.p);
	}
}

static void test_write(void **state)
{
	struct spf_judgement spf = {.result = SPF_PASS, .domain = "example.com"};
	struct dkim_judgement dkim = {.result = DKIM_FAIL,
		.signature = {.domain = "example.net", .selector = "s", .b = SPAN_LIT("ab/+ cd==")},
		.reason = "why"};
	struct arc_judgement arc = {.result = ARC_NONE};
	struct dmarc_judgement dmarc = {
		.result = DMARC_PASS, .policy = DMARC_POLICY_REJECT, .domain = "example.com"};
	struct authres a = {&spf, &dkim, 1, &arc, &dmarc};
	char out[AUTHRES_BYTES];

	(void)state;
	authres_write("mx.example", &a, out);
	assert_string_equal(out,
		"Authentication-Results: mx.example;\r\n\tspf=pass smtp.mailfrom=example.com;\r\n"
		"\tdmarc=pass (p=reject) header.from=example.com;\r\n"
		"\tdkim=fail reason=\"why\" header.d=example.net header.s=s "
		"header.b=\"ab/+cd==\"\r\n");
	strcpy(spf.domain, "x\r\ny: \"z.example");
	a.dkim_count = 0;
	authres_write("mx.example", &a, out);
	assert_non_null(strstr(out, "smtp.mailfrom=\"x??y???z.example\";"));
	assert_non_null(strstr(out, ";\r\n\tdkim=none\r\n"));

	arc = (struct arc_judgement){.result = ARC_TEMPERROR, .count = 2, .reason = "late"};
	strcpy(arc.sealer, "lists.example");
	dmarc.result = DMARC_FAIL;
	strcpy(dmarc.voucher, "lists.example");
	authres_write("mx.example", &a, out);
	assert_non_null(strstr(out, ";\r\n\tarc=fail (i=2, lists.example) reason=\"late\";"));
	assert_non_null(
		strstr(out, "dmarc=fail (p=reject) reason=\"passed at the trusted ARC sealer "
			    "lists.example\" header.from=example.com policy.dmarc=none;"));
	assert_true(authres_is_id("mx.example"));
	assert_false(authres_is_id("mx.example; spf"));
	assert_false(authres_is_id(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_instance),
		cmocka_unit_test(test_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
