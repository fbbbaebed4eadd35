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
		/* homographs are shown as what they are; letters of one name in another form are
		   not another name */
		{"From: a@\xd0\xb0pple.example\r\n", "xn--pple-43d.example"},
		{"From: a@\xef\xbd\x85xample.com\r\n", "example.com"},
		{"From: a@example\xe3\x80\x82"
		 "com\r\n",
			"example.com"},
		{"From: a@xn--bcher-kva.example\r\n", "xn--bcher-kva.example"},
		{"From: =?utf-8?b?Y2VvQGJhbmsuZXhhbXBsZQ==?= <a@example.com>\r\n", "example.com"},
		{"From: =?utf-8?q?=3Cceo=40bank.example=3E?= <a@example.com>\r\n", "example.com"},
		{"From: \"a\\\"b@evil.example\" <a@example.com>\r\n", "example.com"},
		{"From: a@example.com (b@evil.example)\r\n", "example.com"},
		{"From: A <a@example.com>, B <b@example.com>\r\n", "example.com"},
		{"From: <@relay.example:a@example.com>\r\n", NULL},
		{"From: =?utf-8?q?ceo=40bank.example=00?=@example.com\r\n", NULL},
		{"From: a@=?utf-8?q?example.com?=\r\n", NULL},
		{"From: a@example.com\r\n@evil.example\r\n", "example.com"},
		{"From: a@example.com\r\n @evil.example\r\n", NULL},
		{"From: a@example.com\x01\r\n", NULL},
		{"From: a@example.com\rFrom: b@evil.example\r\n", NULL},
		{"From: a b@example.com\r\n", NULL},
		{"From: a@example.com; b@evil.example\r\n", NULL},
		{"From: undisclosed:;\r\n", NULL},
		{"From: \"A\" \"B <b@evil.example>\" <a@example.com>\r\n", "example.com"},
		{"From: a@example.com)\r\n", NULL},
		{"From: <>\r\n", NULL},
		{"From: a@\r\n", NULL},
		{"From: a@\xff\xfe.example\r\n", NULL},
		{"From : a@example.com\r\nFROM:b@example.com\r\n", NULL},
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
	struct message *m = calloc(1, sizeof(*m));

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct from from;
		message_read(m, span_str(rows[i].in));
		const char *why = from_read(m, &from);
		if (!!why != !rows[i].want)
			fail_msg("%s: %s", rows[i].in, why ? why : from.domain);
		if (!why)
			assert_string_equal(from.domain, rows[i].want);
	}
	message_free(m);
	free(m);
}

static void test_nul(void **state)
{
	static const char text[] = "From: a@example.com\0@evil.example\r\n";
	struct message m = {0};
	struct from from;

	(void)state;
	message_read(&m, span_of(text, sizeof(text) - 1));
	assert_non_null(from_read(&m, &from));
	assert_string_equal(from.domain, "");
	message_free(&m);
}

static void test_display_name(void **state)
{
	static const struct {
		const char *in, *name, *address;
	} rows[] = {
		{"From: a@example.com\r\n", "", "a@example.com"},
		{"From: Ann Lee <a@example.com>\r\n", "Ann Lee", "a@example.com"},
		{"From: \"Lee, \\\"Ann\\\"\" (x) <a@example.com>\r\n", "Lee, \"Ann\"",
			"a@example.com"},
		{"From: \"ceo@bank.example\" <a@example.com>\r\n", "ceo@bank.example",
			"a@example.com"},
		{"From: =?utf-8?q?J=C3=BCrgen?=\r\n =?UTF-8?B?IE0u?= <a@example.com>\r\n",
			"J\xc3\xbcrgen M.", "a@example.com"},
		{"From: =?iso-8859-1?q?J=FCrgen_M?= <a@example.com>\r\n", "J\xc3\xbcrgen M",
			"a@example.com"},
		{"From: =?iso-2022-jp?b?GyRCJTUbKEI=?= <a@example.com>\r\n",
			"=?iso-2022-jp?b?GyRCJTUbKEI=?=", "a@example.com"},
		{"From: =?utf-8?q?=07=FF=C2=85x?= <a@example.com>\r\n", "????x", "a@example.com"},
		{"From: =?utf-8?q?broken <a@example.com>\r\n", "=?utf-8?q?broken", "a@example.com"},
	};
	struct message m = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct from from;
		message_read(&m, span_str(rows[i].in));
		assert_null(from_read(&m, &from));
		assert_string_equal(from.display_name, rows[i].name);
		assert_string_equal(from.address, rows[i].address);
	}
	message_free(&m);
}

static void test_limits(void **state)
{
	struct message *m = calloc(1, sizeof(*m));
	char *deep = malloc(4096);
	struct from from;

	(void)state;
	strcpy(deep, "From: ");
	memset(deep + 6, '(', 100);
	memset(deep + 106, ')', 100);
	strcpy(deep + 206, " a@example.com\r\n");
	message_read(m, span_str(deep));
	assert_non_null(from_read(m, &from));

	char *many = malloc((HEADER_FIELDS_MAX + 2) * 4 + 1);
	many[0] = 0;
	for (unsigned i = 0; i < HEADER_FIELDS_MAX + 2; i++)
		memcpy(many + i * 4, "A:\r\n", 4);
	message_read(m, span_of(many, (HEADER_FIELDS_MAX + 2) * 4));
	assert_true(m->is_over);
	assert_int_equal(m->count, HEADER_FIELDS_MAX);
	free(many);
	free(deep);
	message_free(m);
	free(m);
}

static void test_message(void **state)
{
	struct message *m = calloc(1, sizeof(*m));
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
	message_free(m);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_author_domain),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_display_name),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
