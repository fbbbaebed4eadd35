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
	return source_list_parse(v, NULL, ret, ret_why);
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
			"update source x: type is rules, clamav, addresses or domains", 0},
		{"{\"source\":[{\"name\":\"x\",\"type\":\"rules\",\"url\":\"file:///etc/"
		 "shadow\"}]}",
			"update source x: url begins with http:// or https://", 0},
		{"{\"source\":[{\"name\":\"x\",\"type\":\"rules\",\"url\":\"http://m/"
		 "\",\"interval\":0}]}",
			"update source x: interval is 1 to 10080 minutes", 0},
		{"{\"source\":[{\"name\":\"x\",\"type\":\"rules\",\"url\":\"http://u:p@m/\"}]}",
			"update source x: name and password are leaves of their own, not part of "
			"the "
			"url",
			0},
		{"{\"source\":[{\"name\":\"x\",\"type\":\"rules\",\"url\":\"http://m/a@b\"}]}",
			NULL, 1},
		{"{\"source\":[{\"name\":\"x\",\"type\":\"rules\",\"url\":\"http://m/"
		 "\",\"checksum\":\"crc\"}]}",
			"update source x: checksum is none, md5 or sha256", 0},
		{"{\"source\":[{\"name\":\"x\",\"type\":\"rules\",\"url\":\"http://m/"
		 "\",\"disable\":[\"re:(\"]}]}",
			"update source x: disable re:(: missing closing parenthesis: cannot be "
			"read",
			0},
		{"{\"source\":[{\"name\":\"x\",\"type\":\"rules\",\"url\":\"http://m/"
		 "\",\"modify\":[\"1 x y\"]}]}",
			"update source x: modify 1 x y: accepted is a match, then an expression "
			"and its "
			"replacement in quotes",
			0},
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

static void test_url(void **state)
{
	static const struct {
		const char *url, *suffix, *want;
	} rows[] = {
		{"http://m/a.gz", "", "http://m/a.gz"},
		{"http://m/a.gz", ".md5", "http://m/a.gz.md5"},
		{"http://m/a.gz?x=1", ".md5", "http://m/a.gz.md5?x=1"},
		{"http://m/{password}/a.gz", "", "http://m/secret/a.gz"},
		{"http://m/{password}/a.gz", ".md5", "http://m/secret/a.gz.md5"},
		{"http://m/a.gz?k={password}&b", ".md5", "http://m/a.gz.md5?k=secret&b"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct source s = {.url = (char *)rows[i].url, .password = (char *)"secret"};
		_cleanup_free_ char *url = source_url(&s, rows[i].suffix);
		assert_string_equal(url, rows[i].want);
	}
}

/* The password comes from the other file, and only from there. */
static void test_secret(void **state)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *config = NULL, *secrets = NULL;
	struct source_list l;
	char *why = NULL;

	(void)state;
	assert_true(sd_json_parse("{\"source\":[" ET "]}", 0, &config, NULL, NULL) >= 0);
	assert_true(sd_json_parse("{\"source\":[{\"name\":\"x\"},{\"name\":\"et\",\"password\":"
				  "\"secret\"}]}",
			    0, &secrets, NULL, NULL) >= 0);
	assert_int_equal(source_list_parse(config, secrets, &l, &why), 0);
	assert_string_equal(l.item[0]->password, "secret");
	source_list_free(&l);
	assert_int_equal(source_list_parse(config, NULL, &l, &why), 0);
	assert_null(l.item[0]->password);
	source_list_free(&l);
}

/* Other edits: the same file is another version, and is wanted whole. */
static void test_edits(void **state)
{
	struct source_list l, edited;
	char *why = NULL;

	(void)state;
	assert_int_equal(parse("{\"source\":[" ET "]}", &l, &why), 0);
	strcpy(l.item[0]->etag, "\"1\"");
	assert_string_equal(l.item[0]->edits, "");
	assert_int_equal(
		parse("{\"source\":[{\"name\":\"et\",\"type\":\"rules\",\"url\":\"http://m/"
		      "r.tar.gz\",\"disable\":[\"1\"]}]}",
			&edited, &why),
		0);
	assert_string_not_equal(edited.item[0]->edits, "");
	source_list_inherit(&edited, &l);
	assert_string_equal(edited.item[0]->etag, "");
	assert_true(edited.item[0]->due);
	source_list_free(&l);
	source_list_free(&edited);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_file_name),
		cmocka_unit_test(test_url),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_edits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
