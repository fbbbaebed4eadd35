#include "mailauth/from.h"

#include <stdlib.h>

#include "unit.h"

static void test_author_domain(void **state)
{
	static const struct {
		const char *in;
		const char *want; /* NULL: refused */
	} rows[] = {
		{"From: a@example.com\r\n", "example.com"},
		{"FROM : A <a@Example.COM.>\r\n", "example.com"},
		{"From:\r\n =?utf-8?q?x?=\r\n\t<a@example.com>\r\n", "example.com"},
		{"From: \"x <y@evil.example>\" <a@example.com>\r\n", "example.com"},
		{"From: ceo@bank.example <a@example.com>\r\n", "example.com"},
		{"From: (hi \\) (x@evil.example)) a@example.com (Name)\r\n", "example.com"},
		{"From: Example, Inc. <a@example.com>\r\n", "example.com"},
		{"From: a@example.com, b@EXAMPLE.com\r\n", "example.com"},
		{"From: \"a@b\"@example.com\r\n", "example.com"},
		{"From: a@b\xc3\xbc"
		 "cher.example\r\n",
			"xn--bcher-kva.example"},
		{"Subject: x\r\n", NULL},
		{"From: a@example.com\r\nFrom: a@example.com\r\n", NULL},
		{"From: a@example.com\nfrom: b@example.com\n", NULL},
		{"From: a@example.com, b@example.net\r\n", NULL},
		{"From: <a@example.com> <b@example.net>\r\n", NULL},
		{"From: <a@example.com\r\n", NULL},
		{"From: a@example.com>\r\n", NULL},
		{"From: <a@example.com> b@example.net\r\n", NULL},
		{"From: \"a@example.com\r\n", NULL},
		{"From: (a@example.com\r\n", NULL},
		{"From: a@[192.0.2.1]\r\n", NULL},
		{"From: group: a@example.com;\r\n", NULL},
		{"From: nobody\r\n", NULL},
		{"From: @example.com\r\n", NULL},
		{"From: a@b@example.com\r\n", NULL},
		{"From: a@exa mple.com\r\n", NULL},
		{"From: a@example..com\r\n", NULL},
		{"From:\r\n", NULL},
	};
	struct message *m = malloc(sizeof(*m));

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char domain[DOMAIN_BYTES] = "";
		message_read(m, span_str(rows[i].in));
		const char *why = from_domain(m, domain);
		if (!!why != !rows[i].want)
			fail_msg("%s: %s", rows[i].in, why ? why : domain);
		if (!why)
			assert_string_equal(domain, rows[i].want);
	}
	free(m);
}

static void test_limits(void **state)
{
	struct message *m = malloc(sizeof(*m));
	char *deep = malloc(4096), domain[DOMAIN_BYTES];

	(void)state;
	strcpy(deep, "From: ");
	memset(deep + 6, '(', 100);
	memset(deep + 106, ')', 100);
	strcpy(deep + 206, " a@example.com\r\n");
	message_read(m, span_str(deep));
	assert_non_null(from_domain(m, domain));

	char *many = malloc((HEADER_FIELDS_MAX + 2) * 4 + 1);
	many[0] = 0;
	for (unsigned i = 0; i < HEADER_FIELDS_MAX + 2; i++)
		memcpy(many + i * 4, "A:\r\n", 4);
	message_read(m, span_of(many, (HEADER_FIELDS_MAX + 2) * 4));
	assert_true(m->is_over);
	assert_int_equal(m->count, HEADER_FIELDS_MAX);
	free(many);
	free(deep);
	free(m);
}

static void test_message(void **state)
{
	struct message *m = malloc(sizeof(*m));
	unsigned at = 0;

	(void)state;
	message_read(m, SPAN_LIT("A: b\r\n c\r\nno colon here\r\nB:d\r\n\r\nbody\r\n"));
	assert_int_equal(m->count, 3);
	assert_true(span_eq(m->fields[0].value, SPAN_LIT(" b\r\n c")));
	assert_true(span_eq(m->fields[0].whole, SPAN_LIT("A: b\r\n c\r\n")));
	assert_int_equal(m->fields[1].name.n, 0);
	assert_true(span_eq(m->body, SPAN_LIT("body\r\n")));
	assert_ptr_equal(message_find(m, "b", &at), &m->fields[2]);
	message_read(m, SPAN_LIT(""));
	assert_int_equal(m->count + m->body.n, 0);
	message_read(m, SPAN_LIT("A: b"));
	assert_true(span_eq(m->fields[0].value, SPAN_LIT(" b")));
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_author_domain),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
