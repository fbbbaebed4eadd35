#include "lib/span.h"

#include "unit.h"

static void test_u64(void **state)
{
	static const struct {
		const char *in;
		uint64_t max;
		bool want;
		uint64_t value;
	} rows[] = {
		{"", 10, false, 0},
		{"0", 0, true, 0},
		{"10", 10, true, 10},
		{"11", 10, false, 0},
		{"5", 3, false, 0},
		{"-1", 10, false, 0},
		{"1a", 100, false, 0},
		{"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
		{"18446744073709551616", UINT64_MAX, false, 0},
		{"99999999999999999999999", UINT64_MAX, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 0;
		assert_int_equal(span_u64(span_str(rows[i].in), rows[i].max, &v), rows[i].want);
		assert_int_equal(v, rows[i].value);
	}
}

static void test_search(void **state)
{
	(void)state;
	assert_true(span_caseeq(SPAN_LIT("Host"), SPAN_LIT("hOST")));
	assert_false(span_caseeq(SPAN_LIT("["), SPAN_LIT("{")));
	assert_int_equal(span_find(SPAN_LIT("abcabd"), SPAN_LIT("abd")), 3);
	assert_int_equal(span_find(SPAN_LIT("abc"), SPAN_LIT("abcd")), -1);
	assert_int_equal(span_find(SPAN_LIT(""), SPAN_LIT("")), 0);
	assert_true(span_eq(span_trim(SPAN_LIT(" \t x y\r\n")), SPAN_LIT("x y")));
	assert_null(span_dup(SPAN_LIT("a\0b")));
}

static void test_cursor_is_sticky(void **state)
{
	struct cursor c = cursor_of(SPAN_LIT("\x01\x02\x03"));

	(void)state;
	assert_int_equal(cursor_be16(&c), 0x0102);
	assert_int_equal(cursor_be16(&c), 0);
	assert_false(cursor_ok(&c));
	assert_int_equal(cursor_u8(&c), 0); /* one byte is left, but the cursor has failed */
	assert_int_equal(cursor_rest(&c).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_cursor_is_sticky),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
