#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "update/state.h"

static int parse(const char *text, struct source_list *ret, char **ret_why)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;

	assert_true(sd_json_parse(text, 0, &v, NULL, NULL) >= 0);
	return source_list_parse(v, NULL, ret, ret_why);
}

#define ET \
	"{\"name\":\"et\",\"type\":\"rules\",\"url\":\"http://m/" \
	"r.tar.gz\",\"interval\":30,\"enabled\":true}"

static void test_restart(void **state)
{
	char path[] = "/tmp/test-source-XXXXXX";
	struct source_list l, again, moved;
	char *why = NULL;

	(void)state;
	close(mkstemp(path));
	assert_int_equal(parse("{\"source\":[" ET "]}", &l, &why), 0);
	strcpy(l.item[0]->etag, "\"1\"");
	strcpy(l.item[0]->version, "0123456789abcdef");
	strcpy(l.item[0]->result, "installed");
	l.item[0]->last_try = 7;
	l.item[0]->failures = 2;
	l.item[0]->serial = 6;
	l.item[0]->unconfirmed = true;
	assert_int_equal(state_save(&l, path), 0);

	assert_int_equal(parse("{\"source\":[" ET "]}", &again, &why), 0);
	state_restore(&again, path);
	assert_string_equal(again.item[0]->etag, "\"1\"");
	assert_string_equal(again.item[0]->version, "0123456789abcdef");
	assert_int_equal(again.item[0]->last_try, 7);
	assert_int_equal(again.item[0]->failures, 2);
	assert_int_equal(again.item[0]->serial, 6);
	assert_true(again.item[0]->unconfirmed);

	/* Another address: the history stays, the tag of the old one does not. */
	assert_int_equal(parse("{\"source\":[{\"name\":\"et\",\"type\":\"rules\",\"url\":\"http://"
			       "other/\"}]}",
				 &moved, &why),
		0);
	source_list_inherit(&moved, &again);
	assert_string_equal(moved.item[0]->url, "http://other/");
	assert_string_equal(moved.item[0]->etag, "");
	assert_int_equal(moved.item[0]->last_try, 7);
	assert_int_equal(moved.item[0]->serial, 0);
	source_list_free(&l);
	source_list_free(&again);
	source_list_free(&moved);
	unlink(path);
}

static void test_damaged(void **state)
{
	static const char *const texts[] = {
		"", "{", "[]", "{\"et\":7}", "{\"et\":{\"type\":\"rules\",\"etag\":{}}}"};
	char path[] = "/tmp/test-source-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct source_list l;
		char *why = NULL;
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, texts[i], strlen(texts[i]), 0), strlen(texts[i]));
		assert_int_equal(parse("{\"source\":[" ET "]}", &l, &why), 0);
		state_restore(&l, path);
		assert_int_equal(l.item[0]->last_try, 0);
		assert_string_equal(l.item[0]->etag, "");
		source_list_free(&l);
	}
	close(fd);
	unlink(path);
}

static void test_age(void **state)
{
	static const struct {
		uint64_t first_seen, last_success, now, age;
		bool stale, has_age;
	} rows[] = {
		{1000, 2000, 5000, 3000, false, true},
		{1000, 2000, 5601, 3601, true, true},
		{1000, 0, 4600, 3600, false, false},
		{1000, 0, 4601, 3601, true, false},
		{1000, 2000, 1500, 0, false, false}, /* the clock was set back */
		{0, 0, 5000, 0, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct source s = {.name = (char *)"x",
			.url = (char *)"http://m/",
			.type = type_find("rules"),
			.enabled = true,
			.first_seen = rows[i].first_seen,
			.last_success = rows[i].last_success};
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;
		assert_int_equal(state_age_s(&s, rows[i].now), rows[i].age);
		assert_int_equal(state_report(&s, rows[i].now, 3600, &v), 0);
		if (sd_json_variant_boolean(sd_json_variant_by_key(v, "stale")) != rows[i].stale ||
			(sd_json_variant_by_key(v, "age_s") != NULL) != rows[i].has_age)
			fail_msg("row %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_age),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
