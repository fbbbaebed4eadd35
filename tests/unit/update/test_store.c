#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "update/file.h"
#include "update/manifest.h"
#include "update/store.h"

static char folder[] = "/tmp/test-store-XXXXXX";

/* The engine: what it saw through current when it was told, and what it says. */
static struct {
	int answer;
	char seen[64];
} engine;

static const char *target(const char *link)
{
	static char out[64];
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, link);
	ssize_t n = readlink(path, out, sizeof(out) - 1);
	out[n > 0 ? n : 0] = '\0';
	return out;
}

static int reload(void *ctx, const char *id, char **ret_why)
{
	(void)ctx;
	strcpy(engine.seen, target("current"));
	assert_string_equal(engine.seen, id);
	if (engine.answer < 0)
		*ret_why = strdup("not to my taste");
	return engine.answer;
}

static const char *gone; /* a source that the settings no longer name */

static bool wants(void *ctx, const char *source)
{
	(void)ctx;
	return !gone || strcmp(gone, source) != 0;
}

static const struct store_ops ops = {.reload = reload, .wants = wants};

static int install(const char *source, const char *version, const char *name, const char *body)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	struct delivery d = {.source = source,
		.version = version,
		.count = 1,
		.n = 1,
		.names = &name,
		.fds = &fd};
	char *why = NULL;

	assert_int_equal(write(fd, body, strlen(body)), strlen(body));
	assert_null(delivery_check(type_find("rules"), &d));
	int r = store_install(folder, &d, &ops, &why);
	close(fd);
	free(why);
	return r;
}

static const char *content(const char *name)
{
	static char out[64];
	char path[128];

	snprintf(path, sizeof(path), "%s/current/%s", folder, name);
	FILE *f = fopen(path, "r");
	if (!f)
		return NULL;
	out[fread(out, 1, sizeof(out) - 1, f)] = '\0';
	fclose(f);
	return out;
}

static unsigned versions(void)
{
	DIR *d = opendir(folder);
	unsigned n = 0;

	for (const struct dirent *e; (e = readdir(d));)
		n += strncmp(e->d_name, "v-", 2) == 0 || strcmp(e->d_name, ".new") == 0;
	closedir(d);
	return n;
}

#define V1 "1111111111111111"
#define V2 "2222222222222222"
#define V3 "3333333333333333"

static void test_life(void **state)
{
	char first[64], second[64];

	(void)state;
	engine.answer = 0;
	assert_int_equal(install("et", V1, "a.rules", "one"), 0);
	strcpy(first, target("current"));
	assert_string_equal(engine.seen, first);
	assert_string_equal(content("et__a.rules"), "one");
	assert_string_equal(target("previous"), "");

	/* Another source joins: the first one's file stays. */
	assert_int_equal(install("own", V2, "b.rules", "two"), 0);
	strcpy(second, target("current"));
	assert_string_equal(content("et__a.rules"), "one");
	assert_string_equal(content("own__b.rules"), "two");
	assert_string_equal(target("previous"), first);

	/* The first one anew: its old file goes. */
	assert_int_equal(install("et", V3, "c.rules", "three"), 0);
	assert_null(content("et__a.rules"));
	assert_string_equal(content("et__c.rules"), "three");
	assert_string_equal(content("own__b.rules"), "two");
	assert_string_equal(target("previous"), second);
	assert_string_equal(target("previous-2"), first);
	assert_int_equal(versions(), 3);

	_cleanup_(sd_json_variant_unrefp) sd_json_variant *m = NULL;
	assert_int_equal(manifest_load(folder, &m), 0);
	assert_string_equal(manifest_version(m, "et"), V3);
	assert_string_equal(manifest_version(m, "own"), V2);
	assert_string_equal(manifest_version(m, "none"), "");
	assert_int_equal(manifest_count(m, "own"), 1);

	/* The same again changes nothing and disturbs no engine. */
	engine.seen[0] = '\0';
	assert_int_equal(install("et", V3, "c.rules", "three"), 0);
	assert_string_equal(engine.seen, "");
}

static void test_refusal(void **state)
{
	char before[64], previous[64];

	(void)state;
	strcpy(before, target("current"));
	strcpy(previous, target("previous"));
	engine.answer = -EBADMSG;
	assert_int_equal(install("et", V1, "d.rules", "four"), -EBADMSG);
	assert_string_not_equal(engine.seen, before);
	assert_string_equal(target("current"), before);
	assert_string_equal(target("previous"), previous);
	assert_string_equal(content("et__c.rules"), "three");
	assert_int_equal(versions(), 3);
	engine.answer = 0;
	assert_int_equal(install("et", V1, "d.rules", "four"), 0);
	assert_string_equal(content("et__d.rules"), "four");
}

/* What a crash leaves half-written is in nobody's way. */
static void test_leftover(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/.new", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/.new/junk", folder);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	snprintf(path, sizeof(path), "%s/.link", folder);
	assert_int_equal(symlink("nowhere", path), 0);
	assert_int_equal(install("et", V2, "e.rules", "five"), 0);
	assert_null(content("junk"));
	assert_int_equal(versions(), 3);
}

/* What was current before, once more: it is not kept twice, and the one before it stays. */
static void test_return(void **state)
{
	char before[64], older[64];

	(void)state;
	strcpy(older, target("previous"));
	strcpy(before, target("current"));
	assert_int_equal(install("et", V1, "d.rules", "four"), 0);
	assert_string_equal(target("current"), older);
	assert_string_equal(target("previous"), before);
	assert_int_equal(versions(), 3);
	assert_string_equal(content("et__d.rules"), "four");
}

static int sweep(void)
{
	_cleanup_free_ char *why = NULL;

	return store_sweep(folder, &ops, &why);
}

static void test_sweep(void **state)
{
	char before[64];

	(void)state;
	engine.seen[0] = '\0';
	assert_int_equal(sweep(), 0);
	assert_string_equal(engine.seen, "");
	strcpy(before, target("current"));
	gone = "own";
	engine.answer = -EBADMSG;
	assert_int_equal(sweep(), -EBADMSG);
	assert_string_equal(target("current"), before);
	assert_string_equal(content("own__b.rules"), "two");
	engine.answer = 0;
	assert_int_equal(sweep(), 1);
	assert_null(content("own__b.rules"));
	assert_string_equal(content("et__d.rules"), "four");
	/* The last one: the engine has what the image came with. */
	strcpy(before, target("current"));
	gone = "et";
	assert_int_equal(sweep(), 1);
	assert_string_equal(target("current"), "");
	assert_string_equal(target("previous"), before);
	assert_string_equal(engine.seen, "");
	gone = NULL;
	assert_int_equal(install("et", V2, "f.rules", "six"), 0);
	assert_string_equal(target("previous"), before);
	assert_string_equal(content("et__f.rules"), "six");
	/* A delivery takes the files of others out as it goes in. */
	gone = "et";
	assert_int_equal(install("own", V2, "b.rules", "two"), 0);
	assert_null(content("et__f.rules"));
	gone = NULL;
}

static void test_check(void **state)
{
	const char *good = "a.rules", *bad = "../a.rules", *other = "a.ndb";
	int fd = memfd_create("file", MFD_CLOEXEC), pipe_fds[2], none = -1;

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	const struct {
		struct delivery d;
		bool want;
	} rows[] = {
		{{"et", V1, 0, 1, 1, &good, &fd}, true},
		{{"../et", V1, 0, 1, 1, &good, &fd}, false},
		{{"et", "v1", 0, 1, 1, &good, &fd}, false},
		{{"et", V1, 0, 1, 1, &bad, &fd}, false},
		{{"et", V1, 0, 1, 1, &other, &fd}, false},
		{{"et", V1, 0, 1, 0, &good, &fd}, false},
		{{"et", V1, 0, 1, 1, &good, &none}, false},
		{{"et", V1, 0, 1, 1, &good, &pipe_fds[0]}, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if ((delivery_check(type_find("rules"), &rows[i].d) == NULL) != rows[i].want)
			fail_msg("row %zu", i);
	close(fd);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_leftover),
		cmocka_unit_test(test_return),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_check),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
