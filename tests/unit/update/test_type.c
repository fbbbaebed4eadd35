#include "unit.h"

#include <string.h>

#include "update/trial.h"

static void test_names(void **state)
{
	static const struct {
		const char *type, *name;
		bool want;
	} rows[] = {
		{"rules", "emerging-dns.rules", true},
		{"rules", "emerging-dns.rules.exe", false},
		{"rules", ".rules", false},
		{"rules", "-S.rules", false},
		{"rules", "a b.rules", false},
		{"rules", "a/b.rules", false},
		{"rules", "..rules", false},
		{"rules", "", false},
		{"clamav", "main.cvd", true},
		{"clamav", "x.ndb", true},
		{"clamav", "x.rules", false},
		{"clamav", "x.cbc", false},
		{"clamav", "cvd", false},
		{"addresses", "addresses.txt", true},
		{"domains", "domains.rules", false},
	};
	char longest[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (type_accepts(type_find(rows[i].type), rows[i].name) != rows[i].want)
			fail_msg("%s %s", rows[i].type, rows[i].name);
	memset(longest, 'a', sizeof(longest));
	strcpy(longest + FILE_NAME_CHARS - 6, ".rules");
	assert_true(type_accepts(type_find("rules"), longest));
	strcpy(longest, "a");
	memset(longest, 'a', FILE_NAME_CHARS);
	strcpy(longest + FILE_NAME_CHARS, ".rules");
	assert_false(type_accepts(type_find("rules"), longest));
	assert_null(type_find("firmware"));
	assert_null(type_find(NULL));
	assert_true(version_ok("0123456789abcdef"));
	assert_false(version_ok("0123456789ABCDEF"));
	assert_false(version_ok("../0123456789abc"));
	assert_true(source_name_ok("et-open"));
	assert_false(source_name_ok("../x"));
}

static void test_count(void **state)
{
	static const struct {
		const char *type, *output;
		bool want;
		uint64_t count;
	} rows[] = {
		{"rules", "a.rules:1:4: no such keyword\nrules: 12 loaded, 1 refused\n", true, 12},
		{"rules", "rules: 0 loaded, 3 refused", true, 0},
		{"rules", "rules: 12 loaded, 1 refused\nSegmentation fault\n", false, 0},
		{"rules", "rules: x loaded\n", false, 0},
		{"rules", "", false, 0},
		{"clamav", "signatures: 42\n", true, 42},
		{"clamav", "rules: 42\n", false, 0},
		{"clamav", "/x: Malformed database\n", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t count = 0;
		bool got = trial_count(type_find(rows[i].type), span_str(rows[i].output), &count);
		if (got != rows[i].want || (got && count != rows[i].count))
			fail_msg("%s: %d %llu", rows[i].output, got, (unsigned long long)count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
