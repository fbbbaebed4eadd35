#include "cli/words.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

static void test_split(void **state)
{
	static const struct {
		const char *in;
		unsigned n;
		const char *first, *last;
		bool quoted, blank;
	} rows[] = {
		{"", 0, NULL, NULL, false, true},
		{"  \t", 0, NULL, NULL, false, true},
		{"show", 1, "show", "show", false, false},
		{"show  status ", 2, "show", "status", false, true},
		{"set a \"b c\"", 3, "set", "b c", false, false},
		{"set \"b c", 2, "set", "b c", true, false},
		{"set x\\\"y", 2, "set", "x\"y", false, false},
		{"set \"a\\\\b\"", 2, "set", "a\\b", false, false},
		{"set \"\" x", 3, "set", "x", false, false},
		{"end\\", 1, "end\\", "end\\", false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct words w;
		assert_int_equal(words_split(rows[i].in, strlen(rows[i].in), &w), 0);
		assert_int_equal(w.n, rows[i].n);
		assert_int_equal(w.quoted, rows[i].quoted);
		assert_int_equal(w.blank, rows[i].blank);
		if (w.n) {
			assert_string_equal(w.word[0], rows[i].first);
			assert_string_equal(w.word[w.n - 1], rows[i].last);
		}
		assert_null(w.word[w.n]);
		words_fini(&w);
	}
}

static void test_too_many(void **state)
{
	char line[2 * (WORDS_MAX + 1) + 1];
	struct words w;

	(void)state;
	for (size_t i = 0; i <= WORDS_MAX; i++)
		memcpy(line + 2 * i, "a ", 3);
	assert_int_equal(words_split(line, 2 * WORDS_MAX, &w), 0);
	assert_int_equal(w.n, WORDS_MAX);
	words_fini(&w);
	assert_int_equal(words_split(line, strlen(line), &w), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
