/* Installed lists: what is on them, when they change, what does not fit. */
#include "mail/lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#define LOOK_US (LISTS_LOOK_S * 1000000ull)

static char top[] = "/tmp/sekisho-lists-XXXXXX";
static uint64_t now_us = 1;

static void write_list(const char *kind, const char *version, const char *name, const char *text)
{
	char path[512], link[512];

	snprintf(path, sizeof(path), "%s/sig/%s/%s", top, kind, version);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/sig/%s/%s/%s__%s.txt", top, kind, version, name, kind);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	snprintf(path, sizeof(path), "%s/sig/%s/new", top, kind);
	snprintf(link, sizeof(link), "%s/sig/%s/current", top, kind);
	assert_int_equal(symlink(version, path), 0);
	assert_int_equal(rename(path, link), 0);
}

static void later(void)
{
	now_us += LOOK_US + 1;
	lists_look(now_us);
}

static void test_entries(void **state)
{
	static const struct {
		const char *asked;
		bool address, want;
	} rows[] = {
		{"192.0.2.1", true, true},
		{"192.0.2.2", true, false},
		{"198.51.100.0", true, true},
		{"198.51.100.255", true, true},
		{"198.51.101.0", true, false},
		{"203.0.113.127", true, true},
		{"203.0.113.128", true, false},
		{"2001:db8::1", true, true},
		{"2001:db8::2", true, false},
		{"2001:db8:7:1::9", true, true},
		{"2001:db8:8::", true, false},
		{"no address", true, false},
		{"", true, false},
		{"bad.example", false, true},
		{"BAD.Example", false, true},
		{"bad.example.", false, true},
		{"a.b.bad.example", false, true},
		{"notbad.example", false, false},
		{"example", false, false},
		{"last.example", false, true},
		{"", false, false},
		{".", false, false},
	};

	(void)state;
	write_list("addresses", "v-1", "drop",
		"192.0.2.1\n198.51.100.0/24\n203.0.113.0/25\n2001:db8::1\n2001:db8:7::/48\n");
	write_list("domains", "v-1", "drop", "bad.example\n\nlast.example");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool got = rows[i].address ? lists_have_address("drop", rows[i].asked)
					   : lists_have_domain("drop", rows[i].asked);
		if (got != rows[i].want)
			fail_msg("%s", rows[i].asked);
	}
	assert_false(lists_have_domain("other", "bad.example"));
	assert_false(lists_have_domain("../drop", "bad.example"));
}

static void test_change(void **state)
{
	(void)state;
	assert_true(lists_have_domain("drop", "bad.example"));
	write_list("domains", "v-2", "drop", "worse.example\n");
	lists_look(now_us);
	assert_true(lists_have_domain("drop", "bad.example"));
	later();
	assert_false(lists_have_domain("drop", "bad.example"));
	assert_true(lists_have_domain("drop", "worse.example"));
	assert_true(lists_have_address("drop", "192.0.2.1"));
	/* one that was not there when it was first asked for */
	assert_false(lists_have_domain("new", "worse.example"));
	write_list("domains", "v-3", "new", "worse.example\n");
	later();
	assert_true(lists_have_domain("new", "worse.example"));
	assert_false(lists_have_domain("drop", "worse.example"));
}

static void test_status(void **state)
{
	sd_json_variant *v = NULL;
	char *text = NULL;

	(void)state;
	lists_forget();
	lists_have_domain("new", "x.example");
	lists_have_domain("drop", "x.example");
	assert_true(lists_status(&v) >= 0);
	assert_true(sd_json_variant_format(v, 0, &text) >= 0);
	assert_string_equal(text, "[{\"name\":\"new\",\"addresses\":0,\"domains\":1},"
				  "{\"name\":\"drop\",\"addresses\":5,\"domains\":0}]");
	free(text);
	sd_json_variant_unref(v);
}

static void test_limits(void **state)
{
	char name[LISTS_NAME_BYTES + 8], path[512];

	(void)state;
	/* too large: it holds nothing, and the one before is not kept either */
	write_list("domains", "v-4", "drop", "bad.example\n");
	snprintf(path, sizeof(path), "%s/sig/domains/v-4/drop__domains.txt", top);
	assert_int_equal(truncate(path, LISTS_BYTES_MAX), 0);
	later();
	assert_false(lists_have_domain("drop", "bad.example"));
	/* more names than there is room for */
	write_list("domains", "v-5", "last", "bad.example\n");
	lists_forget();
	for (unsigned i = 0; i < LISTS_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_false(lists_have_domain(name, "bad.example"));
	}
	assert_false(lists_have_domain("last", "bad.example"));
	lists_forget();
	assert_true(lists_have_domain("last", "bad.example"));
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_false(lists_have_domain(name, "bad.example"));
}

static int setup(void **state)
{
	char path[512];

	(void)state;
	assert_non_null(mkdtemp(top));
	setenv("SEKISHO_DATA", top, 1);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/sig%s", top,
			i == 0   ? ""
			: i == 1 ? "/addresses"
				 : "/domains");
		assert_int_equal(mkdir(path, 0700), 0);
	}
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	lists_forget();
	snprintf(command, sizeof(command), "rm -rf '%s'", top);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_entries),
		cmocka_unit_test(test_change), cmocka_unit_test(test_status),
		cmocka_unit_test(test_limits)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
