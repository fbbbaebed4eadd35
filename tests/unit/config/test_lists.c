/* Address lists: ranges, the table's text, and, in a network namespace of its own, the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/applier.h"
#include "config/list_table.h"
#include "config/lists.h"
#include "config/nft.h"
#include "lib/cleanup.h"
#include "unit.h"

static char *put_both(const struct ranges r[RANGES_FAMILIES])
{
	struct text t;

	assert_int_equal(text_open(&t), 0);
	ranges_put(t.out, &r[RANGES_V4], false);
	fputc('|', t.out);
	ranges_put(t.out, &r[RANGES_V6], true);
	return text_close(&t);
}

static FILE *memory_file(const char *text)
{
	FILE *f = tmpfile();

	assert_non_null(f);
	fputs(text, f);
	rewind(f);
	return f;
}

static void test_ranges(void **state)
{
	static const struct {
		const char *in, *spare, *want; /* want NULL: refused with error */
		int error;
	} rows[] = {
		{"192.0.2.9\n198.51.100.0/24\n", "", "192.0.2.9, 198.51.100.0-198.51.100.255|", 0},
		{"2001:db8::/32\n2001:db8::5\n", "",
			"|2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 0},
		/* what touches is joined, whatever the order */
		{"10.0.0.2\n10.0.0.0/31\n10.0.0.3\n", "", "10.0.0.0-10.0.0.3|", 0},
		{"255.255.255.255\n255.255.255.254\n0.0.0.0\n", "",
			"0.0.0.0, 255.255.255.254-255.255.255.255|", 0},
		{"0.0.0.0/0\n::/0\n", "",
			"0.0.0.0-255.255.255.255|::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0},
		/* spared: inside, at an edge, over several, all */
		{"192.0.2.0/24\n", "192.0.2.7/32", "192.0.2.0-192.0.2.6, 192.0.2.8-192.0.2.255|",
			0},
		{"192.0.2.0/24\n", "192.0.2.0/25", "192.0.2.128-192.0.2.255|", 0},
		{"192.0.2.1\n192.0.2.3\n192.0.2.9\n", "192.0.2.0/29", "192.0.2.9|", 0},
		{"255.255.255.0/24\n", "255.255.255.255/32", "255.255.255.0-255.255.255.254|", 0},
		{"10.1.0.0/16\n", "10.0.0.0/8", "|", 0},
		{"2001:db8::1\n", "2001:db8::/32", "|", 0},
		{"", "", "|", 0},
		{"192.0.2.1", "", NULL, -EBADMSG}, /* cut off */
		{"192.0.2.1 \n", "", NULL, -EBADMSG},
		{"192.0.2.1/33\n", "", NULL, -EBADMSG},
		{"192.0.2.1/-1\n", "", NULL, -EBADMSG},
		{"192.0.2.0/\n", "", NULL, -EBADMSG},
		{"accept; drop\n", "", NULL, -EBADMSG},
		{"1.1.1.1\n2.2.2.2\n3.3.3.3\n4.4.4.4\n", "", NULL, -E2BIG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ranges r[RANGES_FAMILIES] = {0}, spare[RANGES_FAMILIES] = {0};
		_cleanup_fclose_ FILE *f = memory_file(rows[i].in);
		size_t lines = 0;
		int error = ranges_read(r, f, 3, &lines);
		assert_int_equal(error, rows[i].error);
		if (*rows[i].spare)
			assert_int_equal(ranges_add(spare, rows[i].spare), 0);
		ranges_join(r);
		ranges_join(spare);
		assert_int_equal(ranges_subtract(r, spare), 0);
		_cleanup_free_ char *text = put_both(r);
		if (rows[i].want)
			assert_string_equal(text, rows[i].want);
		ranges_fini(r);
		ranges_fini(spare);
	}
}

static void test_table(void **state)
{
	static const struct {
		struct list list;
		const char *has, *has_not;
	} rows[] = {
		{{.name = "bad", .action = LIST_BLOCK, .inbound = true, .in_force = true},
			"ip saddr @s4_bad jump in_bad\n", "ip daddr @s4_bad"},
		{{.name = "bad", .action = LIST_BLOCK, .outbound = true, .in_force = true},
			"ip6 daddr @s6_bad jump out_bad\n", "saddr @s6_bad"},
		{{.name = "bad", .action = LIST_BLOCK, .inbound = true, .in_force = true},
			"\t\tdrop\n", "set s4_bad {"}, /* not fresh: the kernel has it */
		{{.name = "bad", .action = LIST_ALERT, .inbound = true, .in_force = true},
			"counter name \"in_bad\"", "\t\tdrop\n"},
		{{.name = "bad", .action = LIST_BLOCK, .inbound = true}, "counter in_bad",
			"@s4_bad"}, /* nothing to look into */
		{{.name = "bad", .inbound = true, .in_force = true, .fresh = true},
			"destroy set bridge sekisho_lists s4_bad\n", "elements"},
		{{.name = "bad", .inbound = true, .in_force = true},
			"iifname { \"eth1\" } jump inbound", "\"eth0\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct list_table table = {
			.lists = &rows[i].list, .n = 1, .wan = "{ \"eth1\" }"};
		struct text t;
		assert_int_equal(text_open(&t), 0);
		list_table_put(t.out, &table);
		_cleanup_free_ char *text = text_close(&t);
		assert_non_null(strstr(text, rows[i].has));
		assert_null(strstr(text, rows[i].has_not));
	}
}

/* In the kernel. */

static char data[64];

static void write_file(const char *name, const char *text)
{
	_cleanup_fclose_ FILE *f = fopen(name, "we");

	assert_non_null(f);
	fputs(text, f);
}

/* As store.c does it: a new folder, and `current` is renamed to it. */
static void install(unsigned version, const char *list, const char *text)
{
	char folder[128], file[256], current[128], link[128];

	snprintf(folder, sizeof(folder), "%s/sig/addresses/v-%u", data, version);
	snprintf(file, sizeof(file), "%s/%s__addresses.txt", folder, list);
	snprintf(current, sizeof(current), "%s/sig/addresses/current", data);
	snprintf(link, sizeof(link), "%s/sig/addresses/.link", data);
	mkdir(folder, 0755);
	if (text)
		write_file(file, text);
	assert_int_equal(symlink(strrchr(folder, '/') + 1, link), 0);
	assert_int_equal(rename(link, current), 0);
}

static sd_json_variant *config_of(const char *sources)
{
	char text[2048];
	sd_json_variant *v = NULL;

	snprintf(text, sizeof(text),
		"{\"interfaces\":{\"mode\":\"route\",\"network\":[{\"name\":\"wan\",\"side\":"
		"\"wan\",\"port\":[\"lo\"]}]},\"inspection\":{},\"update\":{\"source\":[%s]}}",
		sources);
	assert_int_equal(sd_json_parse(text, 0, &v, NULL, NULL), 0);
	return v;
}

#define SOURCE(name, action) \
	"{\"name\":\"" name "\",\"type\":\"addresses\",\"action\":\"" action \
	"\",\"direction\":\"both\",\"except\":[\"198.51.100.7/32\"]}"

static int apply(const char *sources, bool starting)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = config_of(sources);
	_cleanup_free_ char *why = NULL;
	int r = lists_apply(v, starting, &why);

	if (r < 0)
		print_message("%s\n", why ? why : strerror(-r));
	return r;
}

/* The elements of a set; "-" when there is no such set. */
static char *set_text(const char *name)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;
	char command[128], *text = NULL;

	snprintf(command, sizeof(command), "list set inet " LIST_TABLE " %s", name);
	if (nft_ask(command, false, &reply) < 0)
		return strdup("-");
	sd_json_variant *elements = config_at(list_table_find(reply, "set", name), "elem");
	if (!elements)
		return strdup("[]");
	assert_true(sd_json_variant_format(elements, 0, &text) >= 0);
	return text;
}

static void expect_set(const char *name, const char *want)
{
	_cleanup_free_ char *text = set_text(name);

	assert_string_equal(text, want);
}

static void expect_report(const char *key, const char *want)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *lists = NULL;

	assert_true(lists_report(NULL, &lists) >= 0);
	const char *text = config_str(sd_json_variant_by_index(lists, 0), key);
	assert_string_equal(text ? text : "-", want);
}

static void test_kernel(void **state)
{
	_cleanup_free_ char *why = NULL;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0 || nft_load("table inet probe { chain a { type filter hook "
						  "prerouting priority 0; ct direction reply; }; }",
						 &why) < 0) {
		print_message("skipped: no network namespace, or no nftables in it\n");
		skip();
	}
	assert_int_equal(apply("", true), 0);
	/* not fetched yet: chains, but no set */
	assert_int_equal(apply(SOURCE("bad", "block"), false), 0);
	expect_set("s4_bad", "-");
	expect_report("why", "no file has been installed yet");
	install(1, "bad", "192.0.2.9\n198.51.100.6/31\n192.168.1.0/24\n");
	lists_follow();
	expect_set("s4_bad", "[\"192.0.2.9\",\"198.51.100.6\"]");
	expect_set("s6_bad", "[]");
	expect_report("why", "-");
	/* damaged, cut off, gone: the old one stays */
	install(2, "bad", "192.0.2.1\nnonsense\n");
	lists_follow();
	expect_set("s4_bad", "[\"192.0.2.9\",\"198.51.100.6\"]");
	expect_report("why", "the installed file is damaged");
	install(3, "bad", NULL);
	lists_follow();
	expect_set("s4_bad", "[\"192.0.2.9\",\"198.51.100.6\"]");
	/* a commit between them does not touch the sets, another action does not either */
	assert_int_equal(apply(SOURCE("bad", "alert") "," SOURCE("more", "block"), false), 0);
	expect_set("s4_bad", "[\"192.0.2.9\",\"198.51.100.6\"]");
	expect_set("s4_more", "-");
	/* the next good one is in force */
	install(4, "bad", "203.0.113.0/24\n2001:db8::/32\n");
	lists_follow();
	expect_set("s4_bad", "[{\"prefix\":{\"addr\":\"203.0.113.0\",\"len\":24}}]");
	expect_set("s6_bad", "[{\"prefix\":{\"addr\":\"2001:db8::\",\"len\":32}}]");
	/* what no source names any more goes; the rest stays */
	assert_int_equal(apply(SOURCE("more", "block"), false), 0);
	expect_set("s4_bad", "-");
	/* and comes back with the source */
	assert_int_equal(apply(SOURCE("bad", "block"), false), 0);
	expect_set("s4_bad", "[{\"prefix\":{\"addr\":\"203.0.113.0\",\"len\":24}}]");
	assert_int_equal(apply("", false), 0);
	assert_int_equal(nft_load("list table inet " LIST_TABLE, &why), -EINVAL);
}

static int in_folder(void **state)
{
	char folder[128];

	(void)state;
	snprintf(data, sizeof(data), "/tmp/lists-XXXXXX");
	assert_non_null(mkdtemp(data));
	setenv("SEKISHO_DATA", data, 1);
	snprintf(folder, sizeof(folder), "%s/sig", data);
	mkdir(folder, 0755);
	snprintf(folder, sizeof(folder), "%s/sig/addresses", data);
	return mkdir(folder, 0755);
}

static int folder_remove(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", data);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_table),
		cmocka_unit_test_setup_teardown(test_kernel, in_folder, folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
