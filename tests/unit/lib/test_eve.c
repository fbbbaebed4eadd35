/* Events as lines of a file, and what is kept of them. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/eve.h"
#include "lib/retention.h"
#include "unit.h"

#define DAY_S 86400

static char folder[] = "/dev/shm/sekisho-eve-XXXXXX";

static const char *file(const char *name)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(file(name), "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* A file whose first event is so old. */
static void put_old(const char *name, time_t days)
{
	char text[128], stamp[32];
	time_t t = time(NULL) - days * DAY_S;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "{\"timestamp\":\"%s.000000+0000\"}\n", stamp);
	put(name, text);
}

static void settings(const char *local)
{
	char text[256];

	mkdir(file("config"), 0700);
	snprintf(text, sizeof(text), "{\"local\":%s}", local);
	put("config/logging.json", text);
}

static void one_event(const char *big)
{
	struct eve *e;
	struct jsonw w;

	assert_int_equal(eve_open(folder, &e), 0);
	eve_begin(e, &w, "test", NULL);
	jsonw_str(&w, "text", big);
	assert_true(eve_end(e, &w));
	eve_free(e);
}

static bool is_there(const char *name)
{
	return access(file(name), F_OK) == 0;
}

static void test_settings(void **state)
{
	static const struct {
		const char *local;
		uint64_t bytes;
		time_t days;
	} rows[] = {
		{"{\"megabytes\":8,\"days\":30}", 2u << 20, 30},
		{"{\"megabytes\":0,\"days\":-1}", 16u << 20, RETENTION_DAYS},
		{"{\"megabytes\":\"x\"}", 16u << 20, RETENTION_DAYS},
		{"{\"megabytes\":99999999999,\"days\":99999999999}", 16u << 20, RETENTION_DAYS},
		{"7", 16u << 20, RETENTION_DAYS},
		{"", 16u << 20, RETENTION_DAYS}, /* no JSON at all */
	};
	struct retention r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		settings(rows[i].local);
		retention_load(&r);
		if (r.file_bytes != rows[i].bytes || r.keep_s != rows[i].days * DAY_S)
			fail_msg("row %zu: %lu bytes, %ld s", i, r.file_bytes, r.keep_s);
	}
}

static void test_age(void **state)
{
	(void)state;
	settings("{\"megabytes\":8,\"days\":40}");
	put_old("eve.json", 9); /* a quarter is ten days */
	put_old("eve.json.1", 39);
	put_old("eve.json.2", 41);
	put("eve.json.3", "no event\n");
	one_event("x");
	assert_true(is_there("eve.json.1"));
	assert_false(is_there("eve.json.2"));
	assert_true(is_there("eve.json.3"));

	put_old("eve.json", 11);
	one_event("x");
	assert_true(is_there("eve.json.1"));
	assert_true(is_there("eve.json.2"));
	struct stat st;
	assert_int_equal(stat(file("eve.json"), &st), 0);
	assert_int_equal(st.st_size, 0); /* what was written stands in the one before */
}

static void test_size(void **state)
{
	static char big[60001];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	settings("{\"megabytes\":1,\"days\":1}");
	for (int i = 0; i < 40; i++)
		one_event(big);
	for (int i = 1; i < RETENTION_FILES; i++) {
		char name[32];
		struct stat st;
		snprintf(name, sizeof(name), "eve.json.%d", i);
		assert_int_equal(stat(file(name), &st), 0);
		assert_true(st.st_size >= (1 << 18) && st.st_size < (1 << 18) + 65536);
	}
	assert_false(is_there("eve.json.4"));
}

static int prepare(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	return setenv("SEKISHO_RUN", folder, 1);
}

static int finish(void **state)
{
	static const char *const names[] = {
		"eve.json", "eve.json.1", "eve.json.2", "eve.json.3", "config/logging.json"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unlink(file(names[i]));
	rmdir(file("config"));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_settings),
		cmocka_unit_test(test_age), cmocka_unit_test(test_size)};

	return cmocka_run_group_tests(tests, prepare, finish);
}
