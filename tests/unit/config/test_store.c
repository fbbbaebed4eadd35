/* A power cut, a damaged disk: what configd starts with. */
#include "config/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/path.h"
#include "unit.h"

#define GOOD "{\"sekisho:inspection\":{\"queues\":2}}"
#define OLDER "{\"sekisho:inspection\":{\"queues\":3}}"
#define NONSENSE "{\"sekisho:nonsense\":{}}"
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

/* A commit as the store writes it. */
static char *file_of(uint64_t serial, const char *body)
{
	struct record r = {.serial = serial, .time_s = 1795521600, .user = "admin"};
	char *text = record_print(&r, body);

	assert_non_null(text);
	return text;
}

static void put_commit(unsigned serial, const char *text)
{
	char name[64];

	snprintf(name, sizeof(name), "config/commit-%06u.json", serial);
	put(path_data(name), text);
}

static unsigned queues_of(const struct snapshot *s)
{
	return (unsigned)sd_json_variant_unsigned(
		sd_json_variant_by_key(sd_json_variant_by_key(s->config, "inspection"), "queues"));
}

static void state_fini(struct store_state *st)
{
	snapshot_free(st->running);
	snapshot_free(st->base);
}

/* What a damaged disk may hold in place of the newest commit. */
enum damage { WHOLE, ABSENT, EMPTY, CUT, FLIPPED, NO_HEAD, WRONG_SCHEMA, NOT_TEXT };

static char *damage(enum damage how, char *text)
{
	switch (how) {
	case ABSENT:
		free(text);
		return NULL;
	case EMPTY:
		*text = 0;
		break;
	case CUT:
		text[strlen(text) - 3] = 0;
		break;
	case FLIPPED:
		strstr(text, "queues\":")[8] ^= 1;
		break;
	case NO_HEAD:
		memmove(text, strchr(text, '\n'), strlen(strchr(text, '\n')) + 1);
		break;
	case NOT_TEXT:
		text[0] = 0x7f;
		break;
	default:
		break;
	}
	return text;
}

static void test_load(void **state)
{
	static const struct {
		enum damage newest, older;
		enum store_origin want;
		unsigned queues, damaged;
		bool kept;
	} rows[] = {
		{WHOLE, WHOLE, STORE_STARTUP, 2, 0, false},
		{ABSENT, ABSENT, STORE_FACTORY, 4, 0, false},
		{ABSENT, WHOLE, STORE_STARTUP, 3, 0, false},
		{EMPTY, WHOLE, STORE_PREVIOUS, 3, 1, true},
		{CUT, WHOLE, STORE_PREVIOUS, 3, 1, true},
		{FLIPPED, WHOLE, STORE_PREVIOUS, 3, 1, true},
		{NO_HEAD, WHOLE, STORE_PREVIOUS, 3, 1, true},
		{NOT_TEXT, WHOLE, STORE_PREVIOUS, 3, 1, true},
		{WRONG_SCHEMA, WHOLE, STORE_PREVIOUS, 3, 1, false},
		{CUT, FLIPPED, STORE_FACTORY, 4, 2, true},
	};

	(void)state;
	put(path_share("factory.json"), FACTORY);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct store_state st;
		char *newest = file_of(8, rows[i].newest == WRONG_SCHEMA ? NONSENSE : GOOD);
		char *older = file_of(7, OLDER);
		unlink(path_data("config/damaged.json"));
		put_commit(8, newest = damage(rows[i].newest, newest));
		put_commit(7, older = damage(rows[i].older, older));
		assert_int_equal(store_load(&schema, &st), 0);
		assert_int_equal(st.origin, rows[i].want);
		assert_int_equal(st.damaged, rows[i].damaged);
		assert_int_equal(queues_of(st.running), rows[i].queues);
		assert_int_equal(access(path_data("config/damaged.json"), F_OK) == 0, rows[i].kept);
		state_fini(&st);
		free(newest);
		free(older);
	}
	put_commit(8, NULL);
	put_commit(7, NULL);
}

static struct snapshot *snapshot_of(const char *text)
{
	struct snapshot *s = NULL;
	struct fault f = {0};
	struct lyd_node *tree = NULL;

	assert_int_equal(tree_parse(&schema, text, TREE_JSON, &tree, &f), 0);
	assert_int_equal(snapshot_new(&schema, tree, NULL, &s, &f), 0);
	lyd_free_all(tree);
	return s;
}

/* Each step of a commit, and what a box that is cut off after it starts with. */
static void test_commit_steps(void **state)
{
	struct snapshot *a = snapshot_of(GOOD), *b = snapshot_of(OLDER);
	struct record first = {.serial = 1, .user = "admin"},
		      second = {.serial = 2, .user = "admin"};
	struct store_state st;

	(void)state;
	assert_int_equal(store_prepare(a, &first), 0);
	assert_int_equal(store_load(&schema, &st), 0);
	assert_int_equal(st.origin, STORE_FACTORY);
	assert_false(st.unconfirmed);
	state_fini(&st);
	assert_int_equal(store_prepare(a, &first), 0);
	assert_int_equal(store_finish(&first), 0);
	assert_int_equal(store_load(&schema, &st), 0);
	assert_int_equal(st.origin, STORE_STARTUP);
	assert_int_equal(st.record.serial, 1);
	assert_string_equal(st.record.user, "admin");
	state_fini(&st);
	assert_int_equal(store_prepare(b, &second), 0);
	assert_int_equal(store_abandon(), 0);
	assert_int_equal(store_load(&schema, &st), 0);
	assert_int_equal(queues_of(st.running), 2);
	state_fini(&st);
	put_commit(1, NULL);
	snapshot_free(a);
	snapshot_free(b);
}

static void test_pending(void **state)
{
	static const struct {
		const char *boot; /* NULL: this one */
		unsigned seconds;
		enum store_origin want;
		unsigned queues;
		bool unconfirmed;
	} rows[] = {
		{NULL, 600, STORE_PENDING, 3, false},
		{NULL, 0, STORE_STARTUP, 2, true},
		{"0123456789abcdef0123456789abcdef", 600, STORE_STARTUP, 2, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct snapshot *a = snapshot_of(GOOD), *b = snapshot_of(OLDER);
		struct record first = {.serial = 1}, second = {.serial = 2};
		struct store_state st;
		assert_int_equal(store_prepare(a, &first), 0);
		assert_int_equal(store_finish(&first), 0);
		record_set_deadline(&second, rows[i].seconds);
		if (rows[i].boot)
			strcpy(second.boot, rows[i].boot);
		assert_int_equal(store_prepare(b, &second), 0);
		assert_int_equal(store_load(&schema, &st), 0);
		assert_int_equal(st.origin, rows[i].want);
		assert_int_equal(queues_of(st.running), rows[i].queues);
		assert_int_equal(st.unconfirmed, rows[i].unconfirmed);
		if (st.base)
			assert_int_equal(queues_of(st.base), 2);
		/* thrown away once and for all */
		assert_int_equal(access(path_data("config/pending.json"), F_OK) == 0,
			rows[i].want == STORE_PENDING);
		state_fini(&st);
		snapshot_free(a);
		snapshot_free(b);
		assert_int_equal(store_abandon(), 0);
	}
	put_commit(1, NULL);
}

static void test_history(void **state)
{
	struct snapshot *a = snapshot_of(GOOD);
	struct record *list = NULL;
	struct lyd_node *tree = NULL;
	struct fault f = {0};
	unsigned n = 0;

	(void)state;
	for (unsigned i = 1; i <= STORE_KEEP + 3; i++) {
		struct record r = {.serial = i};
		snprintf(r.comment, sizeof(r.comment), "number %u", i);
		assert_int_equal(store_prepare(a, &r), 0);
		assert_int_equal(store_finish(&r), 0);
	}
	assert_int_equal(store_list(&list, &n), 0);
	assert_int_equal(n, STORE_KEEP);
	assert_int_equal(list[0].serial, STORE_KEEP + 3);
	assert_string_equal(list[0].comment, "number 53");
	assert_int_equal(list[n - 1].serial, 4);
	assert_int_equal(store_read(&schema, 4, &tree, &f), 0);
	lyd_free_all(tree);
	assert_int_equal(store_read(&schema, 3, &tree, &f), -ENOENT);
	fault_fini(&f);
	for (unsigned i = 0; i < n; i++)
		put_commit((unsigned)list[i].serial, NULL);
	free(list);
	snapshot_free(a);
}

static void test_record(void **state)
{
	static char text[] = "{\"serial\":1,\"sha256\":\"x\"}\n{}";
	struct record in = {.serial = 17, .time_s = 5, .user = "a\"b", .comment = "line\nbreak"},
		      out;
	const char *body;

	(void)state;
	char *file = record_print(&in, "{}\n");
	assert_true(record_parse(file, strlen(file), &out, &body));
	assert_string_equal(body, "{}\n");
	assert_int_equal(out.serial, 17);
	assert_string_equal(out.user, in.user);
	assert_string_equal(out.comment, in.comment);
	for (size_t i = 0; i < strlen(file); i++) {
		file[i] ^= 1;
		bool ok = record_parse(file, strlen(file), &out, &body);
		/* the sum is over the configuration; user and comment are only remarks */
		if (ok)
			assert_string_equal(body, "{}\n");
		file[i] ^= 1;
	}
	free(file);
	assert_false(record_parse(text, strlen(text), &out, &body));
	assert_false(record_parse("", 0, &out, &body));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_commit_steps),
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_history),
	};
	return cmocka_run_group_tests(tests, prepare, finish);
}
