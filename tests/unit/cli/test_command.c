#include "cli/command.h"

#include <string.h>

#include "unit.h"

static void test_find(void **state)
{
	static const struct {
		unsigned mode;
		const char *line;
		enum command_match want;
		const char *command;
		unsigned used;
	} rows[] = {
		{MODE_OPERATION, "show status", MATCH_OK, "show status", 2},
		{MODE_OPERATION, "sh st", MATCH_OK, "show status", 2},
		{MODE_OPERATION, "show status maild", MATCH_OK, "show status", 2},
		{MODE_OPERATION, "show mail log", MATCH_OK, "show mail log", 3},
		{MODE_OPERATION, "show", MATCH_INCOMPLETE, NULL, 0},
		{MODE_OPERATION, "show in", MATCH_AMBIGUOUS, NULL, 0},
		{MODE_OPERATION, "show inspect", MATCH_INCOMPLETE, NULL, 0},
		{MODE_OPERATION, "show version x", MATCH_NONE, NULL, 0},
		{MODE_OPERATION, "set mail enabled true", MATCH_NONE, NULL, 0},
		{MODE_OPERATION, "u n", MATCH_OK, "update now", 2},
		{MODE_OPERATION, "conf", MATCH_OK, "configure", 1},
		{MODE_OPERATION, "show conf", MATCH_OK, "show configuration", 2},
		{MODE_CONFIGURE, "show mail", MATCH_OK, "show", 1},
		{MODE_CONFIGURE, "show", MATCH_OK, "show", 1},
		{MODE_CONFIGURE, "set mail enabled true", MATCH_OK, "set", 1},
		{MODE_CONFIGURE, "com", MATCH_AMBIGUOUS, NULL, 0},
		{MODE_CONFIGURE, "comm", MATCH_OK, "commit", 1},
		{MODE_CONFIGURE, "frobnicate", MATCH_NONE, NULL, 0},
		{MODE_CONFIGURE, "", MATCH_INCOMPLETE, NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct command *found = NULL;
		unsigned used = 0;
		struct words w;
		words_split(rows[i].line, strlen(rows[i].line), &w);
		assert_int_equal(
			command_find(rows[i].mode, w.word, w.n, &found, &used), rows[i].want);
		if (rows[i].want == MATCH_OK) {
			assert_string_equal(found->words, rows[i].command);
			assert_int_equal(used, rows[i].used);
		}
		words_fini(&w);
	}
}

static bool has(const struct candidates *list, const char *word)
{
	for (unsigned i = 0; i < list->n; i++)
		if (strcmp(list->item[i].word, word) == 0)
			return true;
	return false;
}

static void test_complete(void **state)
{
	static struct candidates list;
	struct cli c = {0};
	char *show[] = {(char *)"show", NULL}, *status[] = {(char *)"sh", (char *)"stat", NULL};

	(void)state;
	command_complete(&c, show + 1, 0, "s", &list);
	assert_int_equal(list.n, 1);
	assert_true(has(&list, "show"));
	candidates_fini(&list);
	command_complete(&c, show, 1, "", &list);
	assert_true(has(&list, "mail") && has(&list, "status") && has(&list, "inspect"));
	candidates_fini(&list);
	command_complete(&c, status, 2, "m", &list);
	assert_int_equal(list.n, 3);
	assert_true(has(&list, "maild") && has(&list, "maildial") && has(&list, "mailauthd"));
	candidates_fini(&list);
}

/* Every command says what it is for, belongs to a mode, and the list is sorted. */
static void test_table(void **state)
{
	(void)state;
	for (const struct command *const *c = commands; *c; c++) {
		assert_true(*(*c)->help && (*c)->modes && (*c)->run);
		if (c[1])
			assert_true(strcmp(c[0]->words, c[1]->words) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
