#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "update/list.h"

static void test_lines(void **state)
{
	static const struct {
		enum list_kind kind;
		unsigned column;
		const char *line;
		enum list_line result;
		const char *want;
	} rows[] = {
		{LIST_ADDRESSES, 1, "192.0.2.1", LIST_ENTRY, "192.0.2.1"},
		{LIST_ADDRESSES, 1, "  192.0.2.77/24 ; SBL1\r", LIST_ENTRY, "192.0.2.0/24"},
		{LIST_ADDRESSES, 1, "192.0.2.1/32", LIST_ENTRY, "192.0.2.1"},
		{LIST_ADDRESSES, 1, "192.0.2.1\t5", LIST_ENTRY, "192.0.2.1"},
		{LIST_ADDRESSES, 1, "2001:DB8::1 # x", LIST_ENTRY, "2001:db8::1"},
		{LIST_ADDRESSES, 1, "2001:db8:ffff::/33", LIST_ENTRY, "2001:db8:8000::/33"},
		{LIST_ADDRESSES, 2, "\"2026-11-24\",\"192.0.2.1\",\"443\"", LIST_ENTRY,
			"192.0.2.1"},
		{LIST_ADDRESSES, 4, "a,b", LIST_BAD, ""},
		{LIST_ADDRESSES, 1, "# only a comment", LIST_EMPTY, ""},
		{LIST_ADDRESSES, 1, "", LIST_EMPTY, ""},
		{LIST_ADDRESSES, 1, "0.0.0.0/0", LIST_TOO_WIDE, ""},
		{LIST_ADDRESSES, 1, "10.0.0.0/7", LIST_TOO_WIDE, ""},
		{LIST_ADDRESSES, 1, "10.0.0.0/8", LIST_ENTRY, "10.0.0.0/8"},
		{LIST_ADDRESSES, 1, "::/0", LIST_TOO_WIDE, ""},
		{LIST_ADDRESSES, 1, "2001::/15", LIST_TOO_WIDE, ""},
		{LIST_ADDRESSES, 1, "192.0.2.1/33", LIST_BAD, ""},
		{LIST_ADDRESSES, 1, "192.0.2.1/", LIST_BAD, ""},
		{LIST_ADDRESSES, 1, "192.0.2", LIST_BAD, ""},
		{LIST_ADDRESSES, 1, "999.0.2.1", LIST_BAD, ""},
		{LIST_ADDRESSES, 1, "fe80::1%eth0", LIST_BAD, ""},
		{LIST_ADDRESSES, 1, "<html>", LIST_BAD, ""},
		{LIST_DOMAINS, 1, "Bad.Example", LIST_ENTRY, "bad.example"},
		{LIST_DOMAINS, 1, "0.0.0.0 bad.example # x", LIST_ENTRY, "bad.example"},
		{LIST_DOMAINS, 1, "||bad.example^", LIST_ENTRY, "bad.example"},
		{LIST_DOMAINS, 1, "*.bad.example", LIST_ENTRY, "bad.example"},
		{LIST_DOMAINS, 1, ".bad.example.", LIST_ENTRY, "bad.example"},
		{LIST_DOMAINS, 1, "xn--bcher-kva.example", LIST_ENTRY, "xn--bcher-kva.example"},
		{LIST_DOMAINS, 1, "_dmarc.bad.example", LIST_ENTRY, "_dmarc.bad.example"},
		{LIST_DOMAINS, 1, "! Title: x", LIST_EMPTY, ""},
		{LIST_DOMAINS, 1, "[Adblock Plus]", LIST_EMPTY, ""},
		{LIST_DOMAINS, 1, "localhost", LIST_BAD, ""},
		{LIST_DOMAINS, 1, "192.0.2.1", LIST_BAD, ""},
		{LIST_DOMAINS, 1, "bad..example", LIST_BAD, ""},
		{LIST_DOMAINS, 1, "bad example/x", LIST_BAD, ""},
		{LIST_DOMAINS, 1,
			"b\xc3\xa4"
			"d.example",
			LIST_BAD, ""},
		{LIST_DOMAINS, 1, "com", LIST_BAD, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[LIST_ENTRY_CHARS + 1] = "";
		enum list_line r =
			list_line_read(rows[i].kind, rows[i].column, span_str(rows[i].line), out);
		if (r != rows[i].result || (r == LIST_ENTRY && strcmp(out, rows[i].want) != 0))
			fail_msg("%s: %d %s", rows[i].line, (int)r, out);
	}
}

static int copy(const char *text, size_t n, char *out, size_t cap, uint64_t *count, char *why)
{
	int from = memfd_create("list", MFD_CLOEXEC), to = memfd_create("out", MFD_CLOEXEC);

	assert_int_equal(write(from, text, n), n);
	why[0] = '\0';
	int r = list_copy(LIST_ADDRESSES, 1, from, to, count, why, 160);
	ssize_t m = pread(to, out, cap - 1, 0);
	out[m > 0 ? m : 0] = '\0';
	close(from);
	close(to);
	return r;
}

static void test_files(void **state)
{
	static const char good[] = "# list\n192.0.2.1\nnonsense\n\n192.0.2.0/25\n2001:db8::1";
	char out[256], why[160];
	uint64_t count;

	(void)state;
	assert_int_equal(copy(good, strlen(good), out, sizeof(out), &count, why), 0);
	assert_int_equal(count, 3);
	assert_string_equal(out, "192.0.2.1\n192.0.2.0/25\n2001:db8::1\n");

	static const char wide[] = "192.0.2.1\n0.0.0.0/0\n";
	assert_int_equal(copy(wide, strlen(wide), out, sizeof(out), &count, why), -EBADMSG);
	assert_string_equal(why, "line 2: a prefix that takes in half the world");

	char *page = malloc(200000);
	memset(page, 'x', 200000);
	assert_int_equal(copy(page, 200000, out, sizeof(out), &count, why), -EBADMSG);
	assert_string_equal(why, "line 1: too long a line");
	for (size_t i = 0; i < 200000; i += 10)
		memcpy(page + i, "<p>text\n\n\n", 10);
	assert_int_equal(copy(page, 200000, out, sizeof(out), &count, why), -EBADMSG);
	assert_string_equal(why, "20000 of 60000 lines are no address: another kind of file?");
	/* Entries that straddle the buffer's end come out whole. */
	for (size_t i = 0; i < 200000; i += 10)
		memcpy(page + i, "192.0.2.1\n", 10);
	assert_int_equal(copy(page, 200000, out, sizeof(out), &count, why), 0);
	assert_int_equal(count, 20000);
	free(page);
}

static void test_limit(void **state)
{
	size_t n = (size_t)(LIST_ENTRIES_MAX + 1) * 10;
	char *text = malloc(n), out[16], why[160];
	uint64_t count;

	(void)state;
	for (size_t i = 0; i < n; i += 10)
		memcpy(text + i, "192.0.2.1\n", 10);
	assert_int_equal(copy(text, n, out, sizeof(out), &count, why), -EBADMSG);
	assert_string_equal(why, "line 1000001: more than 1000000 entries");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
