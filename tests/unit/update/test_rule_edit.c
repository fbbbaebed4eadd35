#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "update/file.h"
#include "update/rule_edit.h"
#include "update/rule_match.h"

static void test_match(void **state)
{
	static const char text[] =
		"alert tcp any any -> any 80 (msg:\"ET MALWARE Thing sid:9;\"; metadata: "
		"deployment "
		"Perimeter, signature_severity Major; classtype:x; sid:2019401; gid:3; rev:2;)";
	const struct rule_line rule = {
		.file = "emerging-malware.rules", .text = span_str(text), .sid = 2019401, .gid = 3};
	static const struct {
		const char *match;
		bool want;
	} rows[] = {
		{"3:2019401", true}, {"2019401", false}, /* means generator 1 */
		{"3:2019402", false}, {"group:emerging-malware", true},
		{"group:emerging-malware.rules", true}, {"group: emerging-malware", true},
		{"group:emerging", false}, {"filename:*malware*", true}, {"filename:*dns*", false},
		{"metadata:deployment Perimeter", true},
		{"metadata: signature_severity major", true},
		{"metadata:signature_severity", false}, {"re:malware thing", true},
		{"re:^alert\\s+tcp", true}, {"re:^drop", false},
		{"re:(a+)+$", false}, /* at the limit of steps, it does not match */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *why = NULL;
		struct rule_match *m = rule_match_new(span_str(rows[i].match), &why);
		if (!m)
			fail_msg("%s: %s", rows[i].match, why);
		if (rule_match_run(m, &rule) != rows[i].want)
			fail_msg("%s", rows[i].match);
		rule_match_free(m);
	}
	assert_int_equal(rule_number(span_str(text), SPAN_LIT("gid")), 3);
	assert_int_equal(rule_number(span_str(text), SPAN_LIT("priority")), 0);
	assert_int_equal(rule_number(span_str("alert (sid:7)"), SPAN_LIT("sid")), 0);
}

static void test_refusals(void **state)
{
	static const char *const texts[] = {
		"{\"disable\":[\"\"]}",
		"{\"disable\":[\"abc\"]}",
		"{\"disable\":[\"1:2:3\"]}",
		"{\"disable\":[\"re:\"]}",
		"{\"disable\":[\"re:(\"]}",
		"{\"disable\":[7]}",
		"{\"enable\":[\"group:\"]}",
		"{\"modify\":[\"1 \\\"a\\\"\"]}",
		"{\"modify\":[\"\\\"a\\\" \\\"b\\\"\"]}",
		"{\"modify\":[\"1 \\\"(\\\" \\\"b\\\"\"]}",
		"{\"modify\":[\"1 a b\"]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;
		_cleanup_free_ char *why = NULL;
		assert_true(sd_json_parse(texts[i], 0, &v, NULL, NULL) >= 0);
		if (rule_edit_check(v, &why) != -EINVAL || !why)
			fail_msg("%s", texts[i]);
	}
}

static char folder[] = "/tmp/test-edit-XXXXXX";
static int dir_fd;

static const char *edit(const char *settings, const char *rules, struct rule_edit_counts *counts)
{
	static char out[4096];
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;
	_cleanup_free_ char *why = NULL;
	static const struct delivery_names names = {.n = 1, .name = {"emerging-dns.rules"}};
	int fd = openat(dir_fd, names.name[0], O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, rules, strlen(rules)), strlen(rules));
	close(fd);
	assert_true(sd_json_parse(settings, 0, &v, NULL, NULL) >= 0);
	*counts = (struct rule_edit_counts){0};
	int r = rule_edit_files(v, dir_fd, &names, counts, &why);
	if (r < 0)
		return strcpy(out, why ? why : "?");
	fd = openat(dir_fd, names.name[0], O_RDONLY);
	ssize_t n = read(fd, out, sizeof(out) - 1);
	close(fd);
	out[n > 0 ? n : 0] = '\0';
	return out;
}

#define ONE "alert tcp any any -> any any (msg:\"one\"; sid:1;)\n"
#define TWO "# alert tcp any any -> any any (msg:\"two\"; sid:2;)\n"

static void test_edits(void **state)
{
	static const struct {
		const char *settings, *in, *want;
		uint64_t disabled, enabled, modified;
	} rows[] = {
		{"{}", ONE TWO, ONE TWO, 0, 0, 0},
		{"{\"disable\":[\"1\"]}", "#text\n" ONE TWO, "#text\n# " ONE TWO, 1, 0, 0},
		{"{\"enable\":[\"2\"]}", ONE TWO,
			ONE "alert tcp any any -> any any (msg:\"two\"; sid:2;)\n", 0, 1, 0},
		/* enable has the last word, as in suricata-update */
		{"{\"disable\":[\"re:.\"],\"enable\":[\"1\"]}", ONE, ONE, 0, 0, 0},
		{"{\"disable\":[\"group:emerging-dns\"]}", ONE, "# " ONE, 1, 0, 0},
		{"{\"modify\":[\"1 \\\"^alert\\\" \\\"drop\\\"\"]}", ONE TWO,
			"drop tcp any any -> any any (msg:\"one\"; sid:1;)\n" TWO, 0, 0, 1},
		{"{\"modify\":[\"re:one \\\"msg:\\\\\\\"(.*?)\\\\\\\"\\\" "
		 "\\\"msg:\\\\\\\"$\\\\1!\\\\\\\"\\\"\"]}",
			ONE, "alert tcp any any -> any any (msg:\"$one!\"; sid:1;)\n", 0, 0, 1},
		{"{\"modify\":[\"1 \\\"nothing\\\" \\\"x\\\"\"]}", ONE, ONE, 0, 0, 0},
		/* Over two lines it is one rule. */
		{"{\"disable\":[\"7\"]}", "alert tcp any any -> any any \\\n(sid:7;)\n",
			"# alert tcp any any -> any any   (sid:7;)\n", 1, 0, 0},
		{"{\"disable\":[\"re:.\"]}",
			"# a comment about alert rules\nconfig x\n", /* no rules */
			"# a comment about alert rules\nconfig x\n", 0, 0, 0},
		{"{\"disable\":[\"1\"]}",
			"alert tcp any any -> any any (sid:1;)", /* no end of line */
			"# alert tcp any any -> any any (sid:1;)\n", 1, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rule_edit_counts c;
		const char *got = edit(rows[i].settings, rows[i].in, &c);
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: %s", rows[i].settings, got);
		assert_int_equal(c.disabled, rows[i].disabled);
		assert_int_equal(c.enabled, rows[i].enabled);
		assert_int_equal(c.modified, rows[i].modified);
	}
}

static void test_growth(void **state)
{
	struct rule_edit_counts c;
	char settings[2048], *p = settings;

	(void)state;
	p += sprintf(p, "{\"modify\":[");
	for (int i = 0; i < 20; i++)
		p += sprintf(p, "%s\"1 \\\"(.)\\\" \\\"\\\\1\\\\1\\\"\"", i ? "," : "");
	sprintf(p, "]}");
	assert_string_equal(
		edit(settings, ONE, &c), "emerging-dns.rules: a modified rule is too long");
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0;
}

static int teardown(void **state)
{
	(void)state;
	close(dir_fd);
	folder_remove(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_growth),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
