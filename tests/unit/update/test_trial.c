/* Trials by engines that are scripts: what they say, how they end, and what memory they may have.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "unit.h"
#include "update/file.h"
#include "update/trial.h"

static char folder[] = "/tmp/trial-XXXXXX";

static void path_of(const char *name, char out[128])
{
	snprintf(out, 128, "%s/%s", folder, name);
}

static void write_file(const char *name, const char *text)
{
	char path[128];

	path_of(name, path);
	_cleanup_fclose_ FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
}

static void engine_write(const char *name, const char *text)
{
	char path[128], program[1024];

	snprintf(program, sizeof(program), "#!/usr/bin/python3 -IS\nimport os, sys\n%s\n", text);
	write_file(name, program);
	path_of(name, path);
	assert_int_equal(chmod(path, 0755), 0);
}

#define GOOD "print('signatures: 7')"
#define BAD "print('line 3: not a signature'); sys.exit(1)"
/* Takes what there is, as libclamav does, and then fails as it does. */
#define HUNGRY \
	"a = []\ntry:\n while True: a.append(b'x' * (1 << 20))\nexcept MemoryError:\n pass\n" \
	"print(\"Can't allocate memory\"); sys.stdout.flush(); os._exit(1)"

static void test_outcomes(void **state)
{
	static const struct {
		const char *type, *engine, *text;
		unsigned available_mb;
		int want;
		bool cut_short;
		const char *why;
	} rows[] = {
		{"clamav", "scand", GOOD, 4096, 0, false, NULL},
		{"clamav", "scand", GOOD, 256, 0, false, NULL},
		{"clamav", "scand", BAD, 4096, -EBADMSG, false, "refuses it: line 3"},
		/* little memory is no excuse for what is bad at once: a wrong signature */
		{"clamav", "scand", BAD, 256, -EBADMSG, false, "refuses it: line 3"},
		{"clamav", "scand", HUNGRY, 256, 0, true, NULL},
		/* nobody tries rules again */
		{"rules", "inspectd", HUNGRY, 256, -EBADMSG, false, "allocate"},
		{"clamav", "scand", BAD, 130, 0, true, NULL}, /* not even begun */
		{"rules", "inspectd", BAD, 130, -ENOMEM, false, "too little memory"},
		{"clamav", "scand", "os.kill(os.getpid(), 11)", 4096, -EBADMSG, false,
			"died of signal 11"},
		{"clamav", "scand", "print('signatures: 0')", 4096, -ENODATA, false,
			"loads nothing"},
	};
	char out[128], text[64];

	(void)state;
	path_of("output", out);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct trial_result t = {0};
		_cleanup_free_ char *why = NULL;
		engine_write(rows[i].engine, rows[i].text);
		snprintf(text, sizeof(text), "MemAvailable: %u kB\n", rows[i].available_mb << 10);
		write_file("meminfo", text);
		int r = trial_run(type_find(rows[i].type), folder, out, &t, &why);
		if (why && r != rows[i].want)
			print_message("%s\n", why);
		assert_int_equal(r, rows[i].want);
		assert_int_equal(t.cut_short, rows[i].cut_short);
		if (r == 0 && !t.cut_short)
			assert_int_equal(t.count, 7);
		if (rows[i].why)
			assert_non_null(strstr(why, rows[i].why));
	}
}

static int setup(void **state)
{
	static char meminfo[128];

	(void)state;
	assert_non_null(mkdtemp(folder));
	path_of("meminfo", meminfo);
	setenv("SEKISHO_MEMINFO", meminfo, 1);
	return setenv("SEKISHO_BIN", folder, 1);
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
		cmocka_unit_test(test_outcomes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
