#include "lib/jsonw.h"

#include "unit.h"

static void test_escaping(void **state)
{
	static const struct {
		struct span in;
		const char *want;
	} rows[] = {
		{{(const uint8_t *)"plain", 5}, "{\"k\":\"plain\"}"},
		{{(const uint8_t *)"a\"b\\c", 5}, "{\"k\":\"a\\\"b\\\\c\"}"},
		{{(const uint8_t *)"\0\x1f\x7f\n", 4}, "{\"k\":\"\\u0000\\u001f\\u007f\\n\"}"},
		{{(const uint8_t *)"\xE9\x96\xA2", 3}, "{\"k\":\"\xE9\x96\xA2\"}"},
		{{(const uint8_t *)"\xE9\x96", 2}, "{\"k\":\"\xEF\xBF\xBD\xEF\xBF\xBD\"}"},
		{{(const uint8_t *)"\xED\xA0\x80", 3}, /* a surrogate is not UTF-8 */
			"{\"k\":\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"}"},
		{{(const uint8_t *)"\xC0\xAF", 2}, "{\"k\":\"\xEF\xBF\xBD\xEF\xBF\xBD\"}"},
	};
	char buf[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct jsonw w;
		jsonw_init(&w, buf, sizeof(buf));
		jsonw_object(&w, NULL);
		jsonw_span(&w, "k", rows[i].in);
		assert_string_equal((const char *)jsonw_done(&w).p, rows[i].want);
	}
}

static void test_nesting(void **state)
{
	char buf[256];
	struct jsonw w;

	(void)state;
	jsonw_init(&w, buf, sizeof(buf));
	jsonw_object(&w, NULL);
	jsonw_array(&w, "a");
	jsonw_u64(&w, NULL, 1);
	jsonw_object(&w, NULL);
	jsonw_end(&w);
	jsonw_end(&w);
	jsonw_bool(&w, "b", true);
	jsonw_i64(&w, "c", -5);
	assert_string_equal((const char *)jsonw_done(&w).p, "{\"a\":[1,{}],\"b\":true,\"c\":-5}");
}

static void test_numbers(void **state)
{
	char buf[256];
	struct jsonw w;

	(void)state;
	jsonw_init(&w, buf, sizeof(buf));
	jsonw_array(&w, NULL);
	jsonw_u64(&w, NULL, 0);
	jsonw_u64(&w, NULL, UINT64_MAX);
	jsonw_i64(&w, NULL, INT64_MIN);
	jsonw_i64(&w, NULL, INT64_MAX);
	assert_string_equal((const char *)jsonw_done(&w).p,
		"[0,18446744073709551615,-9223372036854775808,9223372036854775807]");
}

/* Whatever the size, a text is whole or absent. */
static void test_full(void **state)
{
	char buf[128];

	(void)state;
	for (size_t cap = 0; cap <= sizeof(buf); cap++) {
		struct jsonw w;
		jsonw_init(&w, buf, cap);
		jsonw_object(&w, NULL);
		jsonw_str(&w, "key", "0123456789012345678901234567890");
		struct span s = jsonw_done(&w);
		assert_true(s.n == 0 || s.n == 41);
	}
}

static void test_too_deep(void **state)
{
	char buf[256];
	struct jsonw w;

	(void)state;
	jsonw_init(&w, buf, sizeof(buf));
	for (int i = 0; i < JSONW_DEPTH + 1; i++)
		jsonw_array(&w, NULL);
	assert_int_equal(jsonw_done(&w).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escaping),
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_too_deep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
