#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sample.h"
#include "scan/engine.h"
#include "scan/fact.h"

static char folder[] = "/tmp/test-engine-XXXXXX";
static struct engine_limits limits;

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
	engine_limits_defaults(&limits);
	return engine_load(dirs, 1, 1, "/tmp", &limits, ret, ret_why);
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
	engine_limits_defaults(&limits);
	assert_int_equal(engine_load(dirs, 1, 1, "/tmp", &limits, &e, &why), -EBADMSG);
	assert_non_null(strstr(why, "/nonexistent"));
	free(why);
}

static struct scan_verdict scan(const struct engine *e, const void *p, size_t n)
{
	struct scan_verdict v;

	engine_scan(e, &(struct engine_call){.bytes = span_of(p, n), .parse_mail = true}, &v);
	return v;
}

static void test_scan(void **state)
{
	char clean[4096], infected[4096];
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
		struct scan_verdict v = scan(e, rows[i].in, rows[i].n);
		if (v.result != rows[i].want)
			fail_msg(
				"%s: %s %s", rows[i].name, scan_result_name(v.result), v.signature);
	}
	engine_free(e);
}

/* A file beyond the size limit is not clean, even if nothing was found in what was read. */
static void test_limit(void **state)
{
	struct engine *e = NULL;
	char *why = NULL;

	(void)state;
	assert_int_equal(load(eicar_signature(), &e, &why), 0);
	size_t n = (size_t)limits.file_bytes + 1;
	void *big = mmap(NULL, n, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(big, MAP_FAILED);
	struct scan_verdict v = scan(e, big, n);
	assert_int_equal(v.result, SCAN_LIMIT);
	assert_string_equal(v.limit, "size");
	munmap(big, n);
	engine_free(e);
}

/* Facts are told beside the verdict and do not hide a virus. */
static void test_facts(void **state)
{
	uint8_t zip[2048];
	struct engine *e = NULL;
	char *why = NULL;

	(void)state;
	assert_int_equal(load(eicar_signature(), &e, &why), 0);
	struct scan_verdict v = scan(e, zip, sample_zip(zip, "nothing here"));
	assert_int_equal(v.result, SCAN_CLEAN);
	assert_int_equal(v.facts, FACT_ARCHIVE | FACT_EXECUTABLE_IN_ARCHIVE);
	assert_string_equal(v.detail, "eicar.com");
	v = scan(e, zip, sample_zip_encrypted(zip, "nothing here"));
	assert_int_equal(v.result, SCAN_CLEAN);
	assert_int_equal(
		v.facts & (FACT_ENCRYPTED_ARCHIVE | FACT_PPAP), FACT_ENCRYPTED_ARCHIVE | FACT_PPAP);
	v = scan(e, zip, sample_zip(zip, EICAR));
	assert_int_equal(v.result, SCAN_INFECTED);
	assert_true(v.facts & FACT_EXECUTABLE_IN_ARCHIVE);
	engine_free(e);
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
		cmocka_unit_test(test_facts),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
