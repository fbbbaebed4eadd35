#include "config/schema.h"

#include <string.h>

#include "config/describe.h"
#include "config/script.h"
#include "config/snapshot.h"
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
		{{"system", "user", "admin", "password-hash"}, "system user admin password-hash",
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
	lyd_free_all(old);
	old = tree_dup(tree);
	change(&tree, true, WORDS("inspection", "application", "BitTorrent", "action", "drop"));
	check_diff(old, tree, false, "set inspection application BitTorrent action drop\n");
	change(&tree, false, WORDS("system", "dns-server"));
	change(&tree, false, WORDS("inspection", "application"));
	assert_null(tree);
	lyd_free_all(old);
}

static void test_secret(void **state)
{
	struct lyd_node *tree = NULL, *other = NULL;
	struct snapshot *snapshot = NULL;
	struct fault f = {0};
	char *text = NULL;

	(void)state;
	change(&tree, true,
		WORDS("system", "user", "admin", "password-hash",
			"$y$j9T$abcdefghijklmnopqrstuvwxyz"));
	check_diff(NULL, tree, true, "set system user admin password-hash <secret>\n");
	check_diff(NULL, tree, false,
		"set system user admin password-hash $y$j9T$abcdefghijklmnopqrstuvwxyz\n");
	assert_int_equal(snapshot_new(&schema, tree, NULL, &snapshot, &f), 0);
	sd_json_variant_format(snapshot->public, 0, &text);
	assert_null(strstr(text, "$y$"));
	assert_non_null(strstr(text, "\"on-failure\":\"open\"")); /* defaults are there */
	free(text);
	sd_json_variant_format(snapshot->config, 0, &text);
	assert_non_null(strstr(text, "$y$"));
	free(text);
	snapshot_free(snapshot);
	/* An import without secrets keeps those of the entries that are still there. */
	change(&other, true, WORDS("system", "user", "admin", "ssh-key", "ssh-ed25519 AAAAAAAA"));
	tree_keep_secrets(&other, tree);
	check_diff(tree, other, false, "set system user admin ssh-key \"ssh-ed25519 AAAAAAAA\"\n");
	lyd_free_all(other);
	lyd_free_all(tree);
}

static void test_incomplete(void **state)
{
	struct lyd_node *tree = NULL, *complete = NULL;
	struct fault f = {0};

	(void)state;
	change(&tree, true, WORDS("interfaces", "port", "eth0")); /* side is mandatory */
	assert_true(tree_complete(&schema, tree, &complete, &f) < 0);
	assert_non_null(strstr(f.why, "side"));
	assert_string_equal(f.path, "interfaces port eth0");
	fault_fini(&f);
	lyd_free_all(tree);
}

static void test_order(void **state)
{
	static const struct {
		const char *word, *before, *after;
		const char *diff; /* NULL: refused */
	} rows[] = {
		{"192.0.2.3", "192.0.2.1", NULL,
			"insert system dns-server 192.0.2.3 before 192.0.2.1\n"},
		{"192.0.2.3", NULL, NULL, "insert system dns-server 192.0.2.3 before 192.0.2.1\n"},
		{"192.0.2.1", NULL, "192.0.2.3",
			"insert system dns-server 192.0.2.2 before 192.0.2.1\n"
			"insert system dns-server 192.0.2.3 before 192.0.2.1\n"},
		{"192.0.2.2", NULL, "192.0.2.1", ""},
		{"192.0.2.1", "192.0.2.1", NULL, ""},
		{"192.0.2.1", "192.0.2.9", NULL, NULL},
		{"192.0.2.9", "192.0.2.1", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lyd_node *tree = NULL, *old;
		struct fault f = {0};
		struct target t;
		change(&tree, true, WORDS("system", "dns-server", "192.0.2.1"));
		change(&tree, true, WORDS("system", "dns-server", "192.0.2.2"));
		change(&tree, true, WORDS("system", "dns-server", "192.0.2.3"));
		old = tree_dup(tree);
		assert_int_equal(
			schema_resolve(&schema, WORDS("system", "dns-server", (char *)rows[i].word),
				&t, &f),
			0);
		int r = tree_insert(&tree, &t, rows[i].before, rows[i].after, &f);
		assert_int_equal(r == 0, rows[i].diff != NULL);
		if (rows[i].diff) {
			check_diff(old, tree, false, rows[i].diff);
			/* and what the lines say leads there */
			assert_int_equal(script_apply(&old, &schema, rows[i].diff, &f), 0);
			check_diff(old, tree, false, "");
		}
		target_fini(&t);
		fault_fini(&f);
		lyd_free_all(tree);
		lyd_free_all(old);
	}
}

static void test_script(void **state)
{
	static const struct {
		const char *text;
		const char *want; /* the tree as lines, or what the refusal holds */
		bool ok;
	} rows[] = {
		{"set mail enabled false\n", "set mail enabled false\n", true},
		{"# a remark\n\n  set\tmail  virus accept", "set mail virus accept\n", true},
		{"set mail virus accept\r\ndelete mail virus\r\n", "", true},
		{"set system user admin password-hash <secret>\n", "", true},
		{"set system user admin ssh-key \"ssh-ed25519 AAAAAAAA a \\\"b\\\" c\"\n",
			"set system user admin ssh-key \"ssh-ed25519 AAAAAAAA a \\\"b\\\" c\"\n",
			true},
		{"set mail virus accept\nset mial\n", "line 2: no such setting", false},
		{"set mail virus \"accept\n", "line 1: a quote is not closed", false},
		{"frobnicate\n", "line 1: a line begins with", false},
		{"set a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a\n",
			"line 1: it has too many words", false},
		{"insert mail virus\n", "line 1: its order has no meaning", false},
		{"set\n", "line 1: name a setting", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lyd_node *tree = NULL;
		struct fault f = {0};
		int r = script_apply(&tree, &schema, rows[i].text, &f);
		if ((r == 0) != rows[i].ok || (f.why && !strstr(f.why, rows[i].want)))
			fail_msg("row %zu: %s", i, f.why ? f.why : "taken");
		check_diff(NULL, tree, false, rows[i].ok ? rows[i].want : "");
		fault_fini(&f);
		lyd_free_all(tree);
	}
}

static void test_formats(void **state)
{
	static const struct {
		enum tree_format format;
		const char *text;
		bool ok;
	} rows[] = {
		{TREE_JSON, "{\"mail\":{\"enabled\":false}}", true},
		{TREE_JSON, "{\"sekisho:mail\":{\"enabled\":false}}", true},
		{TREE_XML, "<mail xmlns=\"urn:sekisho:config\"><enabled>false</enabled></mail>",
			true},
		{TREE_JSON, "{\"other:mail\":{}}", false},
		{TREE_JSON, "{\"mail\":{\"enabled\":2}}", false},
		{TREE_JSON, "[]", false},
		{TREE_JSON, "", false},
		{TREE_XML, "<mail", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lyd_node *tree = NULL, *again = NULL;
		struct fault f = {0};
		int r = tree_parse(&schema, rows[i].text, rows[i].format, &tree, &f);
		if ((r == 0) != rows[i].ok)
			fail_msg("row %zu: %s", i, f.why ? f.why : "taken");
		if (r == 0) {
			char *text = tree_text(tree, rows[i].format);
			assert_int_equal(tree_parse(&schema, text, rows[i].format, &again, &f), 0);
			check_diff(tree, again, false, "");
			check_diff(NULL, again, false, "set mail enabled false\n");
			free(text);
		}
		fault_fini(&f);
		lyd_free_all(tree);
		lyd_free_all(again);
	}
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
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_script),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_describe),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
