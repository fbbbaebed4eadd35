#include "cli/complete.h"

#include <errno.h>
#include <stdlib.h>
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
		{MODE_OPERATION, "set clock 2026-11-24", MATCH_OK, "set clock", 2},
		{MODE_OPERATION, "set", MATCH_INCOMPLETE, NULL, 0},
		{MODE_OPERATION, "setup", MATCH_OK, "setup", 1},
		{MODE_CONFIGURE, "update", MATCH_OK, "update", 1},
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
	struct cli c = {.role = ROLE_ADMIN};
	char *show[] = {(char *)"show", NULL}, *status[] = {(char *)"sh", (char *)"stat", NULL};

	(void)state;
	command_complete(&c, show + 1, 0, "s", &list);
	assert_int_equal(list.n, 3);
	assert_true(has(&list, "show") && has(&list, "set") && has(&list, "setup"));
	candidates_fini(&list);
	c.role = ROLE_AUDITOR;
	command_complete(&c, show + 1, 0, "s", &list);
	assert_int_equal(list.n, 1);
	assert_true(has(&list, "show"));
	c.role = ROLE_ADMIN;
	candidates_fini(&list);
	command_complete(&c, show, 1, "", &list);
	assert_true(has(&list, "mail") && has(&list, "status") && has(&list, "inspect"));
	candidates_fini(&list);
	command_complete(&c, status, 2, "m", &list);
	assert_int_equal(list.n, 3);
	assert_true(has(&list, "maild") && has(&list, "maildial") && has(&list, "mailauthd"));
	candidates_fini(&list);
}

static void test_arguments(void **state)
{
	static const struct {
		const struct command *command;
		const char *line; /* after the command */
		int want;
		const char *error; /* part of it */
	} rows[] = {
		{&command_show_status, "", 0, NULL},
		{&command_show_status, "maild", 0, NULL},
		{&command_show_status, "configd x", -EINVAL, "nothing more after 'show status'"},
		{&command_show_status, "frob", -EINVAL, "inspectd | maild"},
		{&command_ping, "", -EINVAL, "<host>"},
		{&command_ping, "count", 0, NULL}, /* a host of that name */
		{&command_ping, "h count 3", 0, NULL},
		{&command_ping, "h co 3", 0, NULL},
		{&command_ping, "h count", -EINVAL, "1..65535"},
		{&command_ping, "h count 0", -EINVAL, "1..65535"},
		{&command_ping, "h count 65536", -EINVAL, "1..65535"},
		{&command_ping, "h count 3x", -EINVAL, "1..65535"},
		{&command_ping, "h count -1", -EINVAL, "1..65535"},
		{&command_ping, "h interface nosuch0", -EINVAL, "no such interface"},
		{&command_ping, "h interface lo", 0, NULL},
		{&command_commit, "", 0, NULL},
		{&command_commit, "check", 0, NULL},
		{&command_commit, "confirmed 5 comment so it is", 0, NULL},
		{&command_commit, "confirmed", -EINVAL, "1..1440"},
		{&command_commit, "because", -EINVAL, "check, confirmed 1..1440"},
		{&command_rollback, "50", -EINVAL, "0..49"},
		{&command_rollback, "49", 0, NULL},
		{&command_load, "merge", -EINVAL, "<file>"},
		{&command_load, "m x", 0, NULL},
		{&command_load, "add x", -EINVAL, "merge | replace | set"},
		{&command_set, "a b c", 0, NULL},
		{&command_set, "", -EINVAL, "<setting>"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct words w;
		struct args a;
		char *error = NULL;
		words_split(rows[i].line, strlen(rows[i].line), &w);
		int r = args_read(rows[i].command, w.word, w.n, &a, &error);
		if (r != rows[i].want || (error && !strstr(error, rows[i].error)))
			fail_msg("%s %s: %d %s", rows[i].command->words, rows[i].line, r, error);
		free(error);
		words_fini(&w);
	}
}

static void test_values(void **state)
{
	const char *line = "confirmed 5 comment so it is";
	struct words w;
	struct args a;
	char *error = NULL;

	(void)state;
	words_split(line, strlen(line), &w);
	assert_int_equal(args_read(&command_commit, w.word, w.n, &a, &error), 0);
	assert_null(a.value[0]);
	assert_int_equal(a.number[1], 5);
	assert_string_equal(a.rest[0], "so");
	assert_string_equal(a.rest[2], "is");
	assert_null(a.rest[3]);
	words_fini(&w);
}

/* What `?` and TAB offer at the end of a line. */
static void test_line(void **state)
{
	static struct candidates list;
	static const struct {
		bool configuring;
		const char *line, *offers, *not;
	} rows[] = {
		{false, "", "show", "commit"},
		{false, "show ", "status", "show"},
		{false, "show status ", "maild", NULL},
		{false, "ping h ", "count", "<host>"},
		{false, "ping ", "<host>", "count"},
		{false, "ping h count ", "<1..65535>", "interface"},
		{false, "ping h interface ", "lo", NULL},
		{false, "show status | ", "match", "maild"},
		{false, "show status | ma", "match", "count"},
		{false, "show status | match x | co", "count", "match"},
		{false, "show status | display ", "json", NULL},
		{false, "show status | match ", "<regex>", NULL},
		{true, "", "do", "ping"},
		{true, "do ", "ping", "commit"},
		{true, "do show st", "status", NULL},
		{true, "commit ", "confirmed", NULL},
		{true, "commit confirmed 5 ", "comment", "confirmed"},
		{true, "load ", "replace", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cli c = {.role = ROLE_ADMIN, .configuring = rows[i].configuring};
		struct words w;
		complete_line(&c, rows[i].line, strlen(rows[i].line), &w, &list);
		if (!has(&list, rows[i].offers) || (rows[i].not&&has(&list, rows[i].not)))
			fail_msg("'%s' offers %u words", rows[i].line, list.n);
		candidates_fini(&list);
		words_fini(&w);
	}
}

/* Every command says what it is for, belongs to a mode, and the list is sorted. */
static void test_table(void **state)
{
	(void)state;
	for (const struct command *const *c = commands; *c; c++) {
		assert_true(*(*c)->help && (*c)->modes && (*c)->run && (*c)->least > ROLE_NONE);
		unsigned n = 0;
		for (const struct arg *a = (*c)->args; a && a->name; a++, n++) {
			assert_true(*a->help);
			assert_true((a->kind == ARG_CHOICE) == (a->choices != NULL));
			assert_true(a->kind != ARG_NUMBER || a->max > a->min);
		}
		assert_true(n <= ARGS_MAX);
		if (c[1])
			assert_true(strcmp(c[0]->words, c[1]->words) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
