/* How much memory may still be taken: by the kernel's word and by limits of cgroups. */
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/memory.h"
#include "unit.h"

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	_cleanup_fclose_ FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
}

static void test_cgroups(void **state)
{
	static const struct {
		const char *max, *current, *stat; /* of the unit; NULL: no such file */
		const char *slice_max, *slice_current;
		uint64_t want;
	} rows[] = {
		{"max", "500", "", "max", "900", UINT64_MAX},
		{"1000", "400", "", "max", "900", 600},
		{"1000", "400", "anon 100\ninactive_file 300\n", "max", "900", 900},
		{"1000", "400", "inactive_file 500\n", "max", "900", 1000},
		{"1000", "1200", "", "max", "900", 0},
		{"1000", "400", "", "1000", "950", 50}, /* a limit above */
		{"max", "400", "", "1000", "950", 50},
		{NULL, NULL, NULL, NULL, NULL, UINT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char root[] = "/tmp/memory-XXXXXX", slice[64], unit[96], remove[64];
		assert_non_null(mkdtemp(root));
		snprintf(slice, sizeof(slice), "%s/a.slice", root);
		snprintf(unit, sizeof(unit), "%s/b.service", slice);
		mkdir(slice, 0755);
		mkdir(unit, 0755);
		if (rows[i].max) {
			write_file(unit, "memory.max", rows[i].max);
			write_file(unit, "memory.current", rows[i].current);
			write_file(unit, "memory.stat", rows[i].stat);
			write_file(slice, "memory.max", rows[i].slice_max);
			write_file(slice, "memory.current", rows[i].slice_current);
		}
		assert_int_equal(memory_cgroups_left(root, "/a.slice/b.service"), rows[i].want);
		snprintf(remove, sizeof(remove), "rm -r %s", root);
		assert_int_equal(system(remove), 0);
	}
}

static void test_kernel(void **state)
{
	char folder[] = "/tmp/memory-XXXXXX", path[64];

	(void)state;
	assert_true(memory_available() > 0);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/meminfo", folder);
	write_file(folder, "meminfo", "MemTotal: 2000 kB\nMemAvailable:     123 kB\n");
	setenv("SEKISHO_MEMINFO", path, 1);
	assert_int_equal(memory_available(), 123 << 10);
	write_file(folder, "meminfo", "nonsense\n");
	assert_int_equal(memory_available(), 0);
	unsetenv("SEKISHO_MEMINFO");
	unlink(path);
	rmdir(folder);
}

static int adjustment(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/oom_score_adj", "re");
	int value = -1;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &value), 1);
	return value;
}

static void test_volunteer(void **state)
{
	(void)state;
	memory_volunteer(true);
	assert_int_equal(adjustment(), 1000);
	memory_volunteer(false);
	assert_int_equal(adjustment(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cgroups),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_volunteer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
