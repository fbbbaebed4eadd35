/* Which containers a commit is seen to change, and the schemas for which that would not be sound.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/snapshot.h"
#include "lib/cleanup.h"
#include "unit.h"

static struct schema schema;

static struct snapshot *snapshot_of(const char *text, const struct snapshot *old)
{
	struct lyd_node *tree = NULL;
	struct snapshot *s = NULL;
	struct fault f = {0};

	if (tree_parse(&schema, text, TREE_JSON, &tree, &f) < 0 ||
		snapshot_new(&schema, tree, old, &s, &f) < 0)
		fail_msg("%s: %s", text, f.why);
	lyd_free_all(tree);
	return s;
}

static void test_differs(void **state)
{
	static const struct {
		const char *old, *new;
		bool mail, zones;
	} rows[] = {
		{"{}", "{}", false, false},
		{"{\"mail\":{\"idle-timeout\":60}}", "{\"mail\":{\"idle-timeout\":60}}", false,
			false},
		{"{\"mail\":{\"idle-timeout\":60}}", "{\"mail\":{\"idle-timeout\":61}}", true,
			false},
		{"{\"mail\":{\"idle-timeout\":60}}", "{}", true, false},
		/* set to what it is anyway */
		{"{}", "{\"mail\":{\"enabled\":true}}", false, false},
		{"{\"mail\":{\"enabled\":true}}", "{\"mail\":{\"enabled\":false}}", true, false},
		{"{\"zones\":{\"unmatched\":\"drop\"}}", "{\"mail\":{\"idle-timeout\":60}}", true,
			true},
		/* an order that has a meaning */
		{"{\"zones\":{\"policy\":[{\"name\":\"a\",\"action\":\"drop\"},{\"name\":\"b\","
		 "\"action\":\"drop\"}]}}",
			"{\"zones\":{\"policy\":[{\"name\":\"b\",\"action\":\"drop\"},{\"name\":"
			"\"a\",\"action\":\"drop\"}]}}",
			false, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct snapshot *old = snapshot_of(rows[i].old, NULL);
		struct snapshot *new = snapshot_of(rows[i].new, old);
		if (snapshot_differs(old, new, "mail") != rows[i].mail ||
			snapshot_differs(old, new, "zones") != rows[i].zones)
			fail_msg("row %zu", i);
		snapshot_free(old); /* what it shared with the new one lives on */
		assert_non_null(sd_json_variant_by_key(new->config, "mail"));
		snapshot_free(new);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *body;
		int want;
	} rows[] = {
		{"leaf a { type string; }", 0},
		{"leaf a { type string; } leaf b { when \"../a = 'x'\"; type string; }", -EBADMSG},
		{"list l { key \"a\"; leaf a { type string; } }", 0},
		{"list l { key \"a b\"; leaf a { type string; } leaf b { type string; } }",
			-EBADMSG},
	};
	char folder[] = "/dev/shm/sekisho-schema-XXXXXX", file[64];
	struct schema s;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/t.yang", folder);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		FILE *f = fopen(file, "we");
		assert_non_null(f);
		fprintf(f,
			"module t { yang-version 1.1; namespace \"urn:t\"; prefix t; container c { "
			"%s } "
			"}\n",
			rows[i].body);
		fclose(f);
		int r = schema_load(file, &s);
		if (r != rows[i].want)
			fail_msg("row %zu: %d", i, r);
		if (r == 0)
			schema_fini(&s);
	}
	unlink(file);
	rmdir(folder);
}

static int load(void **state)
{
	(void)state;
	return schema_load("userland/config/sekisho.yang", &schema);
}

static int unload(void **state)
{
	(void)state;
	schema_fini(&schema);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_differs), cmocka_unit_test(test_refused)};

	return cmocka_run_group_tests(tests, load, unload);
}
