#include "mail/words.h"

#include "unit.h"

static void test_read(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{"plain", "plain"},
		{"", ""},
		{"=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac"},
		{"=?Shift_JIS?B?k/qWew==?=", "\xe6\x97\xa5\xe6\x9c\xac"},
		{"=?EUC-JP?Q?=C6=FC=CB=DC?=", "\xe6\x97\xa5\xe6\x9c\xac"},
		{"=?utf-8*ja?Q?a_b?= =?UTF-8?Q?c?=", "a bc"},
		{"=?utf-8?q?a?=\r\n =?utf-8?b?Yg==?= c", "ab c"},
		{"x =?utf-8?q?a?= y", "x a y"},
		/* bytes without a name: UTF-8, its escapes, else Shift_JIS */
		{"\xe6\x97\xa5", "\xe6\x97\xa5"},
		{"\x93\xfa\x96\x7b", "\xe6\x97\xa5\xe6\x9c\xac"},
		{"\x1b$BF|K\\\x1b(B!", "\xe6\x97\xa5\xe6\x9c\xac!"},
		/* nothing that a terminal obeys */
		{"a\x1b[2Jb\x07\x7f", "a?[2Jb??"},
		{"=?utf-8?q?=1B[31m=C2=9B=E2=80=AE?=", "?[31m??"},
		{"=?utf-8?q?=00=0Aa?=", "?a"},
		/* what is no encoded word stays */
		{"=?utf-8?x?a?=", "=?utf-8?x?a?="},
		{"=?no-such-charset?q?a?=", "=?no-such-charset?q?a?="},
		{"=?utf-8?q?a", "=?utf-8?q?a"},
		{"=?../../x?q?a?=", "=?../../x?q?a?="},
		{"a\r\n\tb", "a  b"},
	};
	char out[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		words_read(span_str(rows[i].in), out, sizeof(out));
		assert_string_equal(out, rows[i].want);
	}
}

/* Cut between characters, never past the end. */
static void test_cut(void **state)
{
	char out[8];

	(void)state;
	for (size_t cap = 1; cap <= sizeof(out); cap++) {
		memset(out, '#', sizeof(out));
		words_read(span_str("\xe6\x97\xa5\xe6\x9c\xac"), out, cap);
		assert_int_equal(strlen(out), (cap - 1) / 3 * 3);
	}
}

static void test_field(void **state)
{
	const struct span message =
		SPAN_LIT("A: 1\r\nsubject :\r\n two\r\n\tthree \r\nSubject: no\r\n\r\n"
			 "X: body\r\n");

	(void)state;
	assert_true(span_eq(words_field(message, SPAN_LIT("Subject")), SPAN_LIT("two\r\n\tthree")));
	assert_int_equal(words_field(message, SPAN_LIT("X")).n, 0);
	assert_int_equal(words_field(message, SPAN_LIT("Sub")).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_field)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
