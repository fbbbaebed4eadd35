#include "mail/esmtp.h"

#include "unit.h"

#define S(s) SPAN_LIT(s)

static void test_filter(void **state)
{
	static const struct {
		struct span in, want;
		unsigned hide;
	} rows[] = {
		{S("250 mx.example\r\n"), S("250 mx.example\r\n"), 0},
		{S("250-mx\r\n250-SIZE 1\r\n250 8BITMIME\r\n"),
			S("250-mx\r\n250-SIZE 1\r\n250 8BITMIME\r\n"), ~0u},
		{S("250-mx\r\n250-STARTTLS\r\n250-size 1\r\n250-XCLIENT NAME\r\n250 CHUNKING\r\n"),
			S("250-mx\r\n250-size 1\r\n250 CHUNKING\r\n"), ESMTP_STARTTLS},
		{S("250-mx\r\n250-STARTTLS\r\n250-BINARYMIME\r\n250 REQUIRETLS\r\n"),
			S("250-mx\r\n250 STARTTLS\r\n"), 0},
		{S("250-STARTTLS\r\n250 STARTTLS\r\n"), S("250 STARTTLS\r\n"),
			ESMTP_STARTTLS}, /* the greeting stays */
		{S("250-mx\r\n250-AUTH=LOGIN\r\n250-AUTH PLAIN\r\n250 SIZEX\r\n"),
			S("250-mx\r\n250-AUTH=LOGIN\r\n250 AUTH PLAIN\r\n"), 0},
		{S("250-mx\r\n250-AUTH=LOGIN\r\n250-AUTH PLAIN\r\n250 SIZE\r\n"),
			S("250-mx\r\n250 SIZE\r\n"), ESMTP_AUTH},
		{S("250\r\n"), S("250\r\n"), 0},
		{S("250-mx\r\n250\r\n"), S("250 mx\r\n"), 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t out[256];
		size_t n = esmtp_filter(rows[i].in, rows[i].hide, out);
		assert_true(span_eq(span_of(out, n), rows[i].want));
	}
}

static void test_offers(void **state)
{
	(void)state;
	assert_int_equal(esmtp_offers(S("250 CHUNKING\r\n")), 0); /* its name */
	assert_int_equal(
		esmtp_offers(S("250-mx\r\n250-starttls\r\n250-CHUNKING\r\n250 PIPELINING\r\n")),
		ESMTP_STARTTLS | ESMTP_CHUNKING | ESMTP_PIPELINING);
	assert_true(
		span_eq(esmtp_greeting(S("220-mx.example ESMTP\r\n220 hi\r\n")), S("mx.example")));
	assert_true(span_eq(esmtp_greeting(S("250\r\n")), S("")));
}

static void test_parameters(void **state)
{
	static const struct {
		struct span in;
		const char *mail, *rcpt; /* the code, NULL: passes */
	} rows[] = {
		{S(""), NULL, NULL},
		{S("  "), NULL, NULL},
		{S("SIZE=1000"), NULL, "555"},
		{S("SIZE=1001"), "552", "555"},
		{S("size=99999999999999999999"), "501", "555"},
		{S("SIZE"), "501", "555"},
		{S("SIZE="), "501", "555"},
		{S("SIZE=-1"), "501", "555"},
		{S(" BODY=8BITMIME  SIZE=5 SMTPUTF8"), NULL, "555"},
		{S("BODY=BINARYMIME"), "555", "555"},
		{S("BODY=7bit"), NULL, "555"},
		{S("SMTPUTF8=1"), "501", "555"},
		{S("RET=HDRS ENVID=a+2Db"), NULL, "555"},
		{S("ENVID"), "501", "555"},
		{S("ENVID=a=b"), "501", "555"},
		{S("AUTH=<>"), NULL, "555"},
		{S("NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b"), "555", NULL},
		{S("ORCPT"), "555", "501"},
		{S("REQUIRETLS"), "555", "555"},
		{S("XYZ=1"), "555", "555"},
		{S("=1"), "555", "555"},
		{S("ENVID=\xe4"), "501", "555"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *mail = esmtp_mail_parameters(rows[i].in, 1000);
		const char *rcpt = esmtp_rcpt_parameters(rows[i].in);
		assert_int_equal(mail != NULL, rows[i].mail != NULL);
		assert_int_equal(rcpt != NULL, rows[i].rcpt != NULL);
		if (mail)
			assert_memory_equal(mail, rows[i].mail, 3);
		if (rcpt)
			assert_memory_equal(rcpt, rows[i].rcpt, 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_offers),
		cmocka_unit_test(test_parameters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
