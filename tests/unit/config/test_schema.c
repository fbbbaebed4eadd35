#include "config/schema.h"

#include <string.h>

#include "config/describe.h"
#include "config/tree.h"
#include "unit.h"

#define WORDS(...) ((char *[]){__VA_ARGS__, NULL})

static struct schema schema;

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

static void test_resolve(void **state)
{
	static const struct {
		const char *words[6];
		const char *path;  /* NULL: refused */
		const char *value; /* or, when refused, what the reason contains */
	} rows[] = {
		{{"inspection"}, "inspection", NULL},
		{{"insp", "q", "3"}, "inspection queues", "3"},
		{{"inspection", "application", "BitTorrent", "action", "dr"},
			"inspection application BitTorrent action", "drop"},
		{{"mail", "enabled", "f"}, "mail enabled", "false"},
		{{"system", "dns-server", "2001:DB8::0:1"}, "system dns-server", "2001:db8::1"},
		{{"inspection", "application"}, "inspection application", NULL},
		{{"interfaces", "management", "address", "192.0.2.1/24"},
			"interfaces management address", "192.0.2.1/24"},
		{{"system", "user", "adm", "password-hash"}, "system user admin password-hash",
			NULL},
		{{"mial"}, NULL, "no such setting"},
		{{"i"}, NULL, "ambiguous"},
		{{""}, NULL, "no such setting"},
		{{"inspection", "queues", "17"}, NULL, "not accepted"},
		{{"inspection", "queues", "1", "2"}, NULL, "one value"},
		{{"inspection", "application", "x", "name", "y"}, NULL, "no such setting"},
		{{"interfaces", "management", "address", "192.168.1.1"}, NULL, "not accepted"},
		{{"interfaces", "port", "Eth0"}, NULL, "not accepted"},
		{{"system", "user", "root"}, NULL, "not accepted"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fault f = {0};
		struct target t;
		char path[SCHEMA_PATH_BYTES];
		int r = schema_resolve(&schema, (char *const *)rows[i].words, &t, &f);
		if (!rows[i].path) {
			assert_true(r < 0);
			assert_non_null(strstr(f.why, rows[i].value));
			fault_fini(&f);
			continue;
		}
		assert_int_equal(r, 0);
		target_print(&t, path, sizeof(path));
		assert_string_equal(path, rows[i].path);
		if (rows[i].value)
			assert_string_equal(t.value, rows[i].value);
		else
			assert_null(t.value);
		target_fini(&t);
	}
}

static void test_too_many_words(void **state)
{
	char *words[SCHEMA_WORDS + 3] = {0};
	struct fault f = {0};
	struct target t;

	(void)state;
	for (size_t i = 0; i < SCHEMA_WORDS + 2; i++)
		words[i] = (char *)"system";
	assert_true(schema_resolve(&schema, words, &t, &f) < 0);
	fault_fini(&f);
}

static void change(struct lyd_node **tree, bool set, char *const *words)
{
	struct fault f = {0};
	struct target t;

	assert_int_equal(schema_resolve(&schema, words, &t, &f), 0);
	assert_int_equal(set ? tree_set(tree, &schema, &t, &f) : tree_delete(tree, &t, &f), 0);
	target_fini(&t);
	fault_fini(&f);
}

static void check_diff(
	const struct lyd_node *from, const struct lyd_node *to, bool mask, const char *want)
{
	char *text = tree_diff(from, to, mask);

	assert_string_equal(text, want);
	free(text);
}

static void test_set_delete_diff(void **state)
{
	struct lyd_node *tree = NULL, *old;

	(void)state;
	change(&tree, true, WORDS("inspection", "queues", "2"));
	change(&tree, true, WORDS("inspection", "queues", "3"));
	change(&tree, true, WORDS("system", "dns-server", "192.0.2.1"));
	change(&tree, true, WORDS("inspection", "application", "BitTorrent"));
	check_diff(NULL, tree, false,
		"set system dns-server 192.0.2.1\nset inspection queues 3\nset inspection "
		"application BitTorrent\n");
	old = tree_dup(tree);
	change(&tree, true, WORDS("inspection", "application", "BitTorrent", "action", "accept"));
	change(&tree, true, WORDS("system", "dns-server", "192.0.2.2"));
	change(&tree, false, WORDS("system", "dns-server", "192.0.2.1"));
	change(&tree, false, WORDS("inspection", "queues"));
	check_diff(old, tree, false,
		"delete system dns-server 192.0.2.1\nset system dns-server 192.0.2.2\n"
		"delete inspection queues\nset inspection application BitTorrent action accept\n");
	change(&tree, false, WORDS("system", "dns-server"));
	change(&tree, false, WORDS("inspection", "application"));
	assert_null(tree);
	lyd_free_all(old);
}

static void test_secret(void **state)
{
	struct lyd_node *tree = NULL;
	sd_json_variant *public = NULL, *all = NULL;
	struct fault f = {0};
	char *text = NULL;

	(void)state;
	change(&tree, true,
		WORDS("system", "user", "admin", "password-hash",
			"$y$j9T$abcdefghijklmnopqrstuvwxyz"));
	check_diff(NULL, tree, true, "set system user admin password-hash <secret>\n");
	check_diff(NULL, tree, false,
		"set system user admin password-hash $y$j9T$abcdefghijklmnopqrstuvwxyz\n");
	assert_int_equal(tree_config(&schema, tree, true, &public, &f), 0);
	assert_int_equal(tree_config(&schema, tree, false, &all, &f), 0);
	sd_json_variant_format(public, 0, &text);
	assert_null(strstr(text, "$y$"));
	assert_non_null(strstr(text, "\"on-failure\":\"open\"")); /* defaults are there */
	free(text);
	sd_json_variant_format(all, 0, &text);
	assert_non_null(strstr(text, "$y$"));
	free(text);
	sd_json_variant_unref(public);
	sd_json_variant_unref(all);
	lyd_free_all(tree);
}

static void test_incomplete(void **state)
{
	struct lyd_node *tree = NULL;
	sd_json_variant *config = NULL;
	struct fault f = {0};

	(void)state;
	change(&tree, true, WORDS("interfaces", "port", "eth0")); /* side is mandatory */
	assert_true(tree_config(&schema, tree, false, &config, &f) < 0);
	assert_non_null(strstr(f.why, "side"));
	fault_fini(&f);
	lyd_free_all(tree);
}

static void test_describe(void **state)
{
	struct lyd_node *tree = NULL;
	static const struct {
		const char *words[4];
		const char *want;
	} rows[] = {
		{{NULL}, "\"system\""},
		{{"mail", "virus"}, "\"Refuse with 550.\""},
		{{"inspection", "queues"}, "\"<1..16>\""},
		{{"mail", "enabled"}, "\"false\""},
		{{"inspection", "application"}, "\"BitTorrent\""},
		{{"inspection", "application", "x"}, "\"action\""},
		{{"mail", "enabled", "true"}, "[]"},
	};

	(void)state;
	change(&tree, true, WORDS("inspection", "application", "BitTorrent"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		sd_json_variant *list = NULL;
		struct fault f = {0};
		char *text = NULL;
		assert_int_equal(
			describe(&schema, tree, (char *const *)rows[i].words, &list, &f), 0);
		sd_json_variant_format(list, 0, &text);
		assert_non_null(strstr(text, rows[i].want));
		free(text);
		sd_json_variant_unref(list);
	}
	lyd_free_all(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_too_many_words),
		cmocka_unit_test(test_set_delete_diff),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_incomplete),
		cmocka_unit_test(test_describe),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
