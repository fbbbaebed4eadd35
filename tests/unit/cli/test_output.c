#include "cli/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

static void test_bar(void **state)
{
	static const struct {
		const char *line;
		size_t want;
	} rows[] = {
		{"", 0},
		{"show status", 11},
		{"show | match x", 5},
		{"a|b", 3}, /* part of a word */
		{"set banner \"a | b\"", 18},
		{"set banner a\\ | b", 17},
		{"set banner \\\" | b", 14},
		{"| count", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (output_bar(rows[i].line, strlen(rows[i].line)) != rows[i].want)
			fail_msg("%s: %zu", rows[i].line,
				output_bar(rows[i].line, strlen(rows[i].line)));
}

/* What a command that prints five lines shows behind the filters. */
static void test_filters(void **state)
{
	static const struct {
		const char *filters, *want;
	} rows[] = {
		{"match an", "banana\nmango\nOrange\n"},
		{"match \"^o\"", "Orange\n"},
		{"except an", "apple\nkiwi\n"},
		{"count", "5 lines\n"},
		{"match an | count", "3 lines\n"},
		{"count | match 5", "5 lines\n"},
		{"last 2", "Orange\nkiwi\n"},
		{"last 2 | match k", "kiwi\n"},
		{"match an | last 1", "Orange\n"},
		{"last 1000", "apple\nbanana\nmango\nOrange\nkiwi\n"},
		{"no-more", "apple\nbanana\nmango\nOrange\nkiwi\n"},
		{"ex a | ma k", "kiwi\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct output o = {0};
		char *error = NULL, got[256];
		FILE *real = stdout, *file = tmpfile();
		assert_non_null(file);
		assert_int_equal(output_parse(&o, rows[i].filters, &error), 0);
		stdout = file;
		output_begin(&o, false);
		fputs("apple\nban", stdout);
		fflush(stdout);
		fputs("ana\nmango\nOrange\nkiwi", stdout);
		output_end(&o);
		stdout = real;
		rewind(file);
		got[fread(got, 1, sizeof(got) - 1, file)] = 0;
		fclose(file);
		/* Without a filter nothing is done to the last line. */
		if (o.n == 0)
			strcat(got, "\n");
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: %s", rows[i].filters, got);
		output_fini(&o);
	}
}

static void test_refused(void **state)
{
	static const char *const rows[] = {"", "frob", "match", "match a b", "count 3", "last",
		"last 0", "last 1001", "last x", "match \"(\"", "display", "display yaml",
		"no-more x", "match a |",
		"match a | match a | match a | match a | match a | match a "
		"| match a | match a | match a"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct output o = {0};
		char *error = NULL;
		if (output_parse(&o, rows[i], &error) != -EINVAL || !error)
			fail_msg("taken: %s", rows[i]);
		free(error);
		output_fini(&o);
	}
}

static void test_display(void **state)
{
	struct output o = {0};
	char *error = NULL;

	(void)state;
	assert_int_equal(output_parse(&o, "display json | match x", &error), 0);
	assert_int_equal(o.display, DISPLAY_JSON);
	assert_int_equal(o.n, 1);
	output_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bar),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_display),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
