#include "inspect/domain_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit.h"

static void list_write(const char *folder, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s__domains.txt", folder, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void list_remove(const char *folder, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s__domains.txt", folder, name);
	unlink(path);
}

static void test_find(void **state)
{
	static const struct {
		const char *name, *list, *entry;
	} rows[] = {
		{"bad.example", "a", "bad.example"},
		{"www.BAD.example", "a", "bad.example"},
		{"bad.example.", "a", "bad.example"},
		{"notbad.example", NULL, NULL},
		{"example", NULL, NULL},
		{"deep.bad.example", "a", "deep.bad.example"},
		{"x.deep.bad.example", "a", "deep.bad.example"},
		{"other.test", "b", "other.test"},
		{"silent.test", NULL, NULL},
		{"", NULL, NULL},
		{".", NULL, NULL},
	};
	static const struct domain_rule rules[] = {{"a", DOMAIN_ALERT}, {"off", DOMAIN_OFF},
		{"b", DOMAIN_DROP}, {"gone", DOMAIN_DROP}};
	char folder[] = "/tmp/domain-XXXXXX";
	struct domain_lists *l = NULL;
	struct domain_match m;

	(void)state;
	assert_non_null(mkdtemp(folder));
	list_write(folder, "a", "bad.example\n\ndeep.bad.example\n");
	list_write(folder, "b", "other.test\nbad.example");
	list_write(folder, "off", "silent.test\n");
	assert_int_equal(domain_lists_load(folder, rules, ARRAY_LEN(rules), &l), 0);
	assert_int_equal(l->n, 3);
	assert_int_equal(l->names, 4);
	assert_false(l->list[0].missing);
	assert_true(l->list[2].missing);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool found = domain_list_find(l, span_str(rows[i].name), &m);
		if (found != (rows[i].list != NULL))
			fail_msg("%s: found %d", rows[i].name, found);
		if (found && (strcmp(m.list->rule.name, rows[i].list) != 0 ||
				     !span_eq(m.entry, span_str(rows[i].entry))))
			fail_msg("%s: in %s as %.*s", rows[i].name, m.list->rule.name,
				(int)m.entry.n, (const char *)m.entry.p);
	}
	domain_lists_free(l);
	list_remove(folder, "a");
	list_remove(folder, "b");
	list_remove(folder, "off");
	rmdir(folder);
}

static void test_none(void **state)
{
	struct domain_lists *l = NULL;
	struct domain_match m;

	(void)state;
	assert_int_equal(domain_lists_load("/nonexistent", NULL, 0, &l), 0);
	assert_false(domain_list_find(l, SPAN_LIT("bad.example"), &m));
	domain_lists_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
