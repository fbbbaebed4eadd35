#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "update/source.h"

static int parse(const char *text, struct source_list *ret, char **ret_why)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;

	assert_true(sd_json_parse(text, 0, &v, NULL, NULL) >= 0);
	return source_list_parse(v, ret, ret_why);
}

#define ET \
	"{\"name\":\"et\",\"type\":\"rules\",\"url\":\"http://m/" \
	"r.tar.gz\",\"interval\":30,\"enabled\":true}"

static void test_parse(void **state)
{
	static const struct {
		const char *in;
		const char *why; /* NULL: accepted */
		unsigned n;
	} rows[] = {
		{"{}", NULL, 0},
		{"{\"source\":[]}", NULL, 0},
		{"{\"source\":[" ET "]}", NULL, 1},
		{"{\"source\":[" ET "," ET "]}", "update source et: is there twice", 0},
		{"{\"source\":[{\"name\":\"x\"}]}",
			"update source x: name, type and url are needed", 0},
		{"{\"source\":[{\"name\":\"../x\",\"type\":\"rules\",\"url\":\"http://m/\"}]}",
			"update source ../x: not a name of letters, digits, dot, underscore and "
			"hyphen",
			0},
		{"{\"source\":[{\"name\":\"x\",\"type\":\"firmware\",\"url\":\"http://m/\"}]}",
			"update source x: type is rules or clamav", 0},
		{"{\"source\":[{\"name\":\"x\",\"type\":\"rules\",\"url\":\"file:///etc/"
		 "shadow\"}]}",
			"update source x: url begins with http:// or https://", 0},
		{"{\"source\":[{\"name\":\"x\",\"type\":\"rules\",\"url\":\"http://m/"
		 "\",\"interval\":0}]}",
			"update source x: interval is 1 to 10080 minutes", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct source_list l;
		_cleanup_free_ char *why = NULL;
		int r = parse(rows[i].in, &l, &why);
		if ((r == 0) != (rows[i].why == NULL))
			fail_msg("%s: %d", rows[i].in, r);
		if (rows[i].why)
			assert_string_equal(why, rows[i].why);
		assert_int_equal(l.n, rows[i].n);
		source_list_free(&l);
	}
}

static void test_delay(void **state)
{
	static const struct {
		unsigned interval_min;
		uint64_t failures, last_try, now;
		uint32_t random;
		uint64_t want;
	} rows[] = {
		{60, 0, 0, 1000000, 0, SOURCE_FIRST_S},       /* never tried */
		{60, 0, 1000000, 1000000, 0, 3240},           /* nine tenths */
		{60, 0, 1000000, 1000000, 720, 3960},         /* eleven tenths */
		{60, 0, 1000000, 1001000, 0, 2240},           /* part of it has passed */
		{60, 0, 1000000, 2000000, 0, SOURCE_FIRST_S}, /* overdue */
		{60, 0, 2000000, 1000000, 0, 3240},           /* the clock was set back */
		{60, 1, 1000000, 1000000, 0, 54},             /* after a failure */
		{60, 3, 1000000, 1000000, 0, 216},
		{60, 100, 1000000, 1000000, 0, 3240}, /* never later than the interval */
		{1, 5, 1000000, 1000000, 0, 54},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct source s = {.interval_min = rows[i].interval_min,
			.failures = rows[i].failures,
			.last_try = rows[i].last_try};
		uint64_t got = source_delay_s(&s, rows[i].now, rows[i].random);
		if (got != rows[i].want)
			fail_msg("row %zu: %llu", i, (unsigned long long)got);
	}
}

static void test_file_name(void **state)
{
	static const struct {
		const char *url, *want;
	} rows[] = {
		{"http://m/a/b.ndb", "b.ndb"},
		{"http://m/b.ndb?x=/y", "b.ndb"},
		{"http://m/b.ndb#/f", "b.ndb"},
		{"http://m/", ""},
	};
	char out[FILE_NAME_CHARS + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct source s = {.url = (char *)rows[i].url};
		source_file_name(&s, out, sizeof(out));
		assert_string_equal(out, rows[i].want);
	}
}

static void test_state(void **state)
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
	assert_int_equal(source_list_save(&l, path), 0);

	assert_int_equal(parse("{\"source\":[" ET "]}", &again, &why), 0);
	source_list_restore(&again, path);
	assert_string_equal(again.item[0]->etag, "\"1\"");
	assert_string_equal(again.item[0]->version, "0123456789abcdef");
	assert_int_equal(again.item[0]->last_try, 7);
	assert_int_equal(again.item[0]->failures, 2);

	/* Another address: the history stays, the tag of the old one does not. */
	assert_int_equal(parse("{\"source\":[{\"name\":\"et\",\"type\":\"rules\",\"url\":\"http://"
			       "other/\"}]}",
				 &moved, &why),
		0);
	source_list_inherit(&moved, &again);
	assert_string_equal(moved.item[0]->url, "http://other/");
	assert_string_equal(moved.item[0]->etag, "");
	assert_int_equal(moved.item[0]->last_try, 7);
	source_list_free(&l);
	source_list_free(&again);
	source_list_free(&moved);
	unlink(path);
}

static void test_damaged_state(void **state)
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
		source_list_restore(&l, path);
		assert_int_equal(l.item[0]->last_try, 0);
		assert_string_equal(l.item[0]->etag, "");
		source_list_free(&l);
	}
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_file_name),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_damaged_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
