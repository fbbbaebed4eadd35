#include "mail/smtp.h"

#include "unit.h"

#define S(s) SPAN_LIT(s)

static void test_command(void **state)
{
	static const struct {
		struct span in;
		enum smtp_parse want;
		enum smtp_verb verb;
		size_t bytes;
		struct span argument;
	} rows[] = {
		{S(""), SMTP_MORE, SMTP_UNKNOWN, 0, S("")},
		{S("EHLO"), SMTP_MORE, SMTP_UNKNOWN, 0, S("")},
		{S("EHLO\r"), SMTP_MORE, SMTP_UNKNOWN, 0, S("")},
		{S("ehlo a.example\r\nMAIL"), SMTP_OK, SMTP_EHLO, 16, S("a.example")},
		{S("DATA\r\nSubject: x\r\n"), SMTP_OK, SMTP_DATA, 6, S("")},
		{S("DATA \t\r\n"), SMTP_OK, SMTP_DATA, 8, S("")},
		{S("MAIL\tFROM:<>\r\n"), SMTP_OK, SMTP_MAIL, 14, S("FROM:<>")},
		{S("DATAX\r\n"), SMTP_OK, SMTP_UNKNOWN, 7, S("")},
		{S(" DATA\r\n"), SMTP_OK, SMTP_UNKNOWN, 7, S("DATA")},
		{S("STARTTLS\r\n"), SMTP_OK, SMTP_STARTTLS, 10, S("")},
		{S("BDAT 5 LAST\r\n"), SMTP_OK, SMTP_BDAT, 13, S("5 LAST")},
		{S("\r\n"), SMTP_OK, SMTP_UNKNOWN, 2, S("")},
		/* a line is what ends in CRLF; nothing else may look like an end to somebody */
		{S("NOOP\nDATA\r\n"), SMTP_BAD, SMTP_UNKNOWN, 5, S("")},
		{S("NOOP\rDATA\r\n"), SMTP_BAD, SMTP_UNKNOWN, 11, S("")},
		{S("NOOP\0\r\n"), SMTP_BAD, SMTP_UNKNOWN, 7, S("")},
		{S("\n"), SMTP_BAD, SMTP_UNKNOWN, 1, S("")},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct smtp_command c;
		assert_int_equal(smtp_command_parse(rows[i].in, &c), rows[i].want);
		assert_int_equal(c.verb, rows[i].verb);
		assert_int_equal(c.bytes, rows[i].bytes);
		assert_true(span_eq(c.argument, rows[i].argument));
	}
}

static void test_command_length(void **state)
{
	static uint8_t line[SMTP_COMMAND_BYTES + 1];
	struct smtp_command c;

	(void)state;
	memset(line, 'x', sizeof(line));
	assert_int_equal(smtp_command_parse(span_of(line, SMTP_COMMAND_BYTES - 1), &c), SMTP_MORE);
	assert_int_equal(smtp_command_parse(span_of(line, SMTP_COMMAND_BYTES), &c), SMTP_TOOLONG);
	line[SMTP_COMMAND_BYTES - 2] = '\r';
	line[SMTP_COMMAND_BYTES - 1] = '\n';
	assert_int_equal(smtp_command_parse(span_of(line, sizeof(line)), &c), SMTP_OK);
	line[SMTP_COMMAND_BYTES - 2] = 'x';
	line[SMTP_COMMAND_BYTES - 1] = '\r';
	line[SMTP_COMMAND_BYTES] = '\n';
	assert_int_equal(smtp_command_parse(span_of(line, sizeof(line)), &c), SMTP_TOOLONG);
}

static void test_path(void **state)
{
	static const struct {
		struct span in;
		bool want;
		struct span address;
	} rows[] = {
		{S("FROM:<a@b.example>"), true, S("a@b.example")},
		{S("from: <a@b.example> SIZE=12"), true, S("a@b.example")},
		{S("FROM:<>"), true, S("")},
		{S("FROM:<@x,@y:a@b>"), true, S("a@b")},
		{S("FROM:<\"a>b\"@c>"), true, S("\"a>b\"@c")},
		{S("FROM:<\"a\\\"> \"@c> BODY=8BITMIME"), true, S("\"a\\\"> \"@c")},
		{S("FROM:a@b SIZE=1"), true, S("a@b")},
		{S("FROM:"), false, S("")},
		{S("FROM:<a@b"), false, S("")},
		{S("FROM:<a@b>x@y>"), false, S("")},
		{S("FROM:<\"a>"), false, S("")},
		{S("FROM <a@b>"), false, S("")},
		{S("TO:<a@b>"), false, S("")},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span address = {0}, parameters = {0};
		assert_int_equal(
			smtp_path(rows[i].in, S("FROM:"), &address, &parameters), rows[i].want);
		if (rows[i].want)
			assert_true(span_eq(address, rows[i].address));
	}
}

static void test_reply(void **state)
{
	static const struct {
		struct span in;
		enum smtp_parse want;
		unsigned code;
		size_t bytes;
	} rows[] = {
		{S("220 hello\r\n"), SMTP_OK, 220, 11},
		{S("250\r\n"), SMTP_OK, 250, 5},
		{S("250-a\r\n250 b\r\n250 c\r\n"), SMTP_OK, 250, 14},
		{S("250-a\r\n"), SMTP_MORE, 0, 0},
		{S("25"), SMTP_MORE, 0, 0},
		{S("250-a\r\n550 b\r\n"), SMTP_BAD, 0, 0},
		{S("250 a\n"), SMTP_BAD, 0, 0},
		{S("250 a\r250 b\r\n"), SMTP_BAD, 0, 0},
		{S("25x a\r\n"), SMTP_BAD, 0, 0},
		{S("150 a\r\n"), SMTP_BAD, 0, 0},
		{S("650 a\r\n"), SMTP_BAD, 0, 0},
		{S("250+a\r\n"), SMTP_BAD, 0, 0},
		{S("\r\n"), SMTP_BAD, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct smtp_reply r;
		assert_int_equal(smtp_reply_parse(rows[i].in, &r), rows[i].want);
		if (rows[i].want == SMTP_OK) {
			assert_int_equal(r.code, rows[i].code);
			assert_int_equal(r.bytes, rows[i].bytes);
		}
	}
}

static void test_reply_without_end(void **state)
{
	static uint8_t lines[SMTP_REPLY_BYTES + 8];
	struct smtp_reply r;

	(void)state;
	for (size_t i = 0; i + 8 <= sizeof(lines); i += 8)
		memcpy(lines + i, "250-ab\r\n", 8);
	assert_int_equal(smtp_reply_parse(span_of(lines, SMTP_REPLY_BYTES - 8), &r), SMTP_MORE);
	assert_int_equal(smtp_reply_parse(span_of(lines, SMTP_REPLY_BYTES), &r), SMTP_BAD);
	assert_int_equal(smtp_reply_parse(span_of(lines, sizeof(lines)), &r), SMTP_BAD);
}

static void test_chunk(void **state)
{
	static const struct {
		struct span in;
		bool want, last;
		uint64_t bytes;
	} rows[] = {
		{S("86"), true, false, 86},
		{S("0 LAST"), true, true, 0},
		{S("10  last"), true, true, 10},
		{S("4294967295"), true, false, UINT32_MAX},
		{S("4294967296"), false, false, 0},
		{S("99999999999999999999999"), false, false, 0},
		{S(""), false, false, 0},
		{S("LAST"), false, false, 0},
		{S("-1 LAST"), false, false, 0},
		{S("+1"), false, false, 0},
		{S("1 LAST LAST"), false, false, 0},
		{S("0x10"), false, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t bytes = 0;
		bool last = false;
		assert_int_equal(smtp_chunk(rows[i].in, &bytes, &last), rows[i].want);
		if (rows[i].want) {
			assert_int_equal(bytes, rows[i].bytes);
			assert_int_equal(last, rows[i].last);
		}
	}
}

static void test_utf8(void **state)
{
	static const struct {
		struct span in;
		bool want;
	} rows[] = {
		{S(""), true},
		{S("a@b"), true},
		{S("\xc3\xa4"), true},
		{S("\xf0\x9f\x93\xa7"), true},
		{S("\xe4"), false},
		{S("\xc0\xaf"), false},         /* overlong */
		{S("\xed\xa0\x80"), false},     /* surrogate */
		{S("\xf4\x90\x80\x80"), false}, /* past U+10FFFF */
		{S("\x80"), false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(smtp_is_utf8(rows[i].in), rows[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_command_length),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_reply),
		cmocka_unit_test(test_reply_without_end),
		cmocka_unit_test(test_chunk),
		cmocka_unit_test(test_utf8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
