#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sample.h"
#include "scan/engine.h"

static char folder[] = "/tmp/test-engine-XXXXXX";

static const char *file_write(const char *name, const char *text)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

/* The signature as the image ships it, made from the sample. */
static int load(const char *text, struct engine **ret, char **ret_why)
{
	const char *dirs[] = {folder};

	file_write("test.ndb", text);
	return engine_load(dirs, 1, "/tmp", NULL, ret, ret_why);
}

static const char *eicar_signature(void)
{
	static char line[256];
	int n = sprintf(line, "Eicar-Test-Signature:0:*:");

	for (const char *p = EICAR; *p; p++)
		n += sprintf(line + n, "%02x", (unsigned char)*p);
	sprintf(line + n, "\n");
	return line;
}

static void test_database(void **state)
{
	static const struct {
		const char *name, *text;
		bool want;
		bool sample;
	} rows[] = {
		{"sound", NULL, true, true},
		{"another virus", "Other:0:*:0011223344556677\n", true, false},
		{"empty", "", false, false},
		{"not hex", "Broken:0:*:zz\n", false, false},
		{"too few fields", "Broken\n", false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct engine *e = NULL;
		char *why = NULL;
		int r = load(rows[i].text ? rows[i].text : eicar_signature(), &e, &why);
		if ((r == 0) != rows[i].want)
			fail_msg("%s: %d %s", rows[i].name, r, why ? why : "");
		if (r < 0) {
			assert_non_null(why);
		} else {
			assert_int_equal(engine_signatures(e), 1);
			assert_int_equal(engine_finds_sample(e), rows[i].sample);
		}
		engine_free(e);
		free(why);
	}
}

static void test_missing_folder(void **state)
{
	const char *dirs[] = {"/nonexistent"};
	struct engine *e = NULL;
	char *why = NULL;

	(void)state;
	assert_int_equal(engine_load(dirs, 1, "/tmp", NULL, &e, &why), -EBADMSG);
	assert_non_null(strstr(why, "/nonexistent"));
	free(why);
}

static void test_scan(void **state)
{
	char clean[4096], infected[4096];
	struct scan_verdict v;
	struct engine *e = NULL;
	char *why = NULL;

	(void)state;
	size_t n_clean = sample_mail(clean, sizeof(clean), "nothing here");
	size_t n_infected = sample_mail(infected, sizeof(infected), EICAR);
	const struct {
		const char *name, *in;
		size_t n;
		enum scan_result want;
	} rows[] = {
		{"empty", "", 0, SCAN_CLEAN},
		{"clean mail", clean, n_clean, SCAN_CLEAN},
		{"bare sample", EICAR, sizeof(EICAR) - 1, SCAN_INFECTED},
		{"zip in base64 in MIME", infected, n_infected, SCAN_INFECTED},
		{"cut in the middle of the zip", infected, n_infected - 150, SCAN_CLEAN},
	};

	assert_int_equal(load(eicar_signature(), &e, &why), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int fd = sample_fd(rows[i].in, rows[i].n);
		engine_scan(e, fd, &v);
		if (v.result != rows[i].want)
			fail_msg(
				"%s: %s %s", rows[i].name, scan_result_name(v.result), v.signature);
		close(fd);
	}
	engine_free(e);
}

/* A file beyond the size limit is not clean, even if nothing was found in what was read. */
static void test_limit(void **state)
{
	struct engine *e = NULL;
	struct scan_verdict v;
	char *why = NULL;
	int fd = memfd_create("big", MFD_CLOEXEC);

	(void)state;
	assert_return_code(ftruncate(fd, SCAN_FILE_BYTES + 1), errno);
	assert_int_equal(load(eicar_signature(), &e, &why), 0);
	engine_scan(e, fd, &v);
	if (v.result != SCAN_LIMIT)
		fail_msg("%s %s", scan_result_name(v.result), v.signature);
	engine_free(e);
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) ? engine_init() : -1;
}

static int teardown(void **state)
{
	(void)state;
	unlink(file_write("test.ndb", ""));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_database),
		cmocka_unit_test(test_missing_folder),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_limit),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
