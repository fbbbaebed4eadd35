/* A power cut, a damaged disk: what configd starts with. */
#include "config/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/path.h"
#include "unit.h"

#define GOOD "{\"sekisho:inspection\":{\"queues\":2}}"
#define OLDER "{\"sekisho:inspection\":{\"queues\":3}}"
#define FACTORY "{\"sekisho:inspection\":{\"queues\":4}}"

static struct schema schema;

static void put(const char *path, const char *text)
{
	if (!text) {
		unlink(path);
		return;
	}
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int prepare(void **state)
{
	static char folder[] = "/tmp/sekisho-store-XXXXXX";
	char share[64];

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(share, sizeof(share), "%s/share", folder);
	mkdir(share, 0700);
	setenv("SEKISHO_DATA", folder, 1);
	setenv("SEKISHO_SHARE", share, 1);
	mkdir(path_data("config"), 0700);
	return schema_load("userland/config/sekisho.yang", &schema);
}

static int finish(void **state)
{
	(void)state;
	schema_fini(&schema);
	return 0;
}

static void test_load(void **state)
{
	static const struct {
		const char *startup, *previous;
		enum store_origin want;
		unsigned queues;
		bool damaged;
	} rows[] = {
		{GOOD, OLDER, STORE_STARTUP, 2, false},
		{NULL, NULL, STORE_FACTORY, 4, false},
		{"", OLDER, STORE_PREVIOUS, 3, true},
		{"{\"sekisho:inspection\":{\"queues\":2", OLDER, STORE_PREVIOUS, 3, true},
		{"{\"sekisho:inspection\":{\"queues\":99}}", OLDER, STORE_PREVIOUS, 3, true},
		{"{\"sekisho:nonsense\":{}}", OLDER, STORE_PREVIOUS, 3, true},
		{"\x7f"
		 "ELF",
			"[]", STORE_FACTORY, 4, true},
		{NULL, OLDER, STORE_PREVIOUS, 3, false},
	};

	(void)state;
	put(path_share("factory.json"), FACTORY);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct snapshot *s = NULL;
		enum store_origin origin = STORE_NONE;
		unlink(path_data("config/startup.json.damaged"));
		put(path_data("config/startup.json"), rows[i].startup);
		put(path_data("config/startup.json.1"), rows[i].previous);
		assert_int_equal(store_load(&schema, &s, &origin), 0);
		assert_int_equal(origin, rows[i].want);
		sd_json_variant *queues = sd_json_variant_by_key(
			sd_json_variant_by_key(s->config, "inspection"), "queues");
		assert_int_equal(sd_json_variant_unsigned(queues), rows[i].queues);
		assert_int_equal(access(path_data("config/startup.json.damaged"), F_OK) == 0,
			rows[i].damaged);
		snapshot_free(s);
	}
}

static void check_origin(enum store_origin want, unsigned queues)
{
	struct snapshot *s = NULL;
	enum store_origin origin = STORE_NONE;

	assert_int_equal(store_load(&schema, &s, &origin), 0);
	assert_int_equal(origin, want);
	sd_json_variant *v =
		sd_json_variant_by_key(sd_json_variant_by_key(s->config, "inspection"), "queues");
	assert_int_equal(sd_json_variant_unsigned(v), queues);
	snapshot_free(s);
}

static struct snapshot *snapshot_of(const char *text)
{
	struct snapshot *s = NULL;
	struct fault f = {0};
	struct lyd_node *tree = NULL;

	put(path_data("config/in"), text);
	assert_int_equal(tree_read(&schema, path_data("config/in"), &tree, &f), 0);
	assert_int_equal(snapshot_new(&schema, tree, &s, &f), 0);
	lyd_free_all(tree);
	return s;
}

static void test_write_and_undo(void **state)
{
	struct snapshot *a = snapshot_of(GOOD), *b = snapshot_of(OLDER);

	(void)state;
	put(path_data("config/startup.json"), NULL);
	put(path_data("config/startup.json.1"), NULL);
	assert_int_equal(store_write(a), 0);
	check_origin(STORE_STARTUP, 2);
	assert_int_equal(store_write(b), 0);
	check_origin(STORE_STARTUP, 3);
	assert_int_equal(store_undo(), 0);
	check_origin(STORE_STARTUP, 2);
	assert_int_equal(store_write(b), 0);
	unlink(path_data("config/startup.json"));
	check_origin(STORE_PREVIOUS, 2);
	/* The first commit of all is undone to no startup at all. */
	unlink(path_data("config/startup.json.1"));
	assert_int_equal(store_write(a), 0);
	assert_int_equal(store_undo(), 0);
	check_origin(STORE_FACTORY, 4);
	snapshot_free(a);
	snapshot_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_write_and_undo),
	};
	return cmocka_run_group_tests(tests, prepare, finish);
}
