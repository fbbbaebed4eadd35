#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/cleanup.h"
#include "update/cdiff.h"
#include "update/file.h"

static char folder[] = "/tmp/test-cdiff-XXXXXX";
static int dir_fd;

static void file_set(const char *name, const char *text)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static const char *file_get(const char *name)
{
	static char text[512];
	int fd = openat(dir_fd, name, O_RDONLY);

	if (fd < 0)
		return "(none)";
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void test_scripts(void **state)
{
	static const struct {
		const char *script;
		const char *why; /* NULL: applied */
		const char *a, *b;
	} rows[] = {
		{"", NULL, "one\ntwo\nthree\n", "(none)"},
		{"OPEN a\nADD four x\nCLOSE\n", NULL, "one\ntwo\nthree\nfour x\n", "(none)"},
		{"OPEN a\nDEL 2 tw\nCLOSE\n", NULL, "one\nthree\n", "(none)"},
		{"OPEN a\nXCHG 3 th 3 =: x\nXCHG 1 o \nCLOSE", NULL, "\ntwo\n3 =: x\n", "(none)"},
		/* Line numbers are those of the file as it was; what is added comes last. */
		{"OPEN a\nADD z\nDEL 3 t\nDEL 1 o\nXCHG 2 two 2\nCLOSE\n", NULL, "2\nz\n",
			"(none)"},
		{"OPEN b\nADD x\nCLOSE\nOPEN a\nDEL 1 one\nCLOSE\n", NULL, "two\nthree\n", "x\n"},
		{"MOVE a b 2 t 3 th\n", NULL, "one\n", "two\nthree\n"},
		{"UNLINK a\nUNLINK b\n", NULL, "(none)", "(none)"},
		{"# nothing\n\nOPEN a\nCLOSE\n", NULL, "one\ntwo\nthree\n", "(none)"},
		{"OPEN a\nDEL 2 x\nCLOSE\n",
			"a line of the database does not begin as the step says", NULL, NULL},
		{"OPEN a\nDEL 4 x\nCLOSE\n", "the step changes a line that is not there", NULL,
			NULL},
		{"OPEN a\nDEL 2 t\nXCHG 2 t y\nCLOSE\n", "the step changes a line twice", NULL,
			NULL},
		{"OPEN b\nDEL 1 t\nCLOSE\n", "the step changes a line that is not there", NULL,
			NULL},
		{"OPEN a\nDEL 0 o\nCLOSE\n", "the step has no line number where one is needed",
			NULL, NULL},
		{"OPEN a\nDEL\nCLOSE\n", "the step has no line number where one is needed", NULL,
			NULL},
		{"OPEN a\nXCHG 99999999999999999999 o x\nCLOSE\n",
			"the step has no line number where one is needed", NULL, NULL},
		{"OPEN a\nADD x\n", "the step ends in the middle", NULL, NULL},
		{"ADD x\n", "the step changes a file that is not open", NULL, NULL},
		{"DEL 1 o\n", "the step changes a file that is not open", NULL, NULL},
		{"CLOSE\n", "the step closes what is not open", NULL, NULL},
		{"OPEN a\nOPEN b\n", "the step opens a second file", NULL, NULL},
		{"OPEN ../a\n", "the step names a file that cannot be", NULL, NULL},
		{"OPEN /etc/passwd\n", "the step names a file that cannot be", NULL, NULL},
		{"OPEN .edited\n", "the step names a file that cannot be", NULL, NULL},
		{"OPEN\n", "the step names a file that cannot be", NULL, NULL},
		{"UNLINK ../a\n", "the step removes what cannot be removed", NULL, NULL},
		{"MOVE a a 1 o 1 o\n", "the step moves nothing that can be moved", NULL, NULL},
		{"MOVE a b 2 t 1 o\n", "the step moves nothing that can be moved", NULL, NULL},
		{"MOVE a b 1 o 9 o\n", "the step moves lines that are not there", NULL, NULL},
		{"MOVE a b 1 x 2 t\n", "a line of the database does not begin as the step says",
			NULL, NULL},
		{"SYSTEM rm\n", "the step holds an unknown command", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why = NULL;
		file_set("a", "one\ntwo\nthree\n");
		unlinkat(dir_fd, "b", 0);
		int r = cdiff_script_apply(span_str(rows[i].script), dir_fd, &why);
		if ((r < 0) != (rows[i].why != NULL))
			fail_msg("%s: %d %s", rows[i].script, r, why);
		if (rows[i].why) {
			assert_string_equal(why, rows[i].why);
			continue;
		}
		assert_string_equal(file_get("a"), rows[i].a);
		assert_string_equal(file_get("b"), rows[i].b);
	}
}

/* Through a link nothing is read or written. */
static void test_link(void **state)
{
	const char *why = NULL;

	(void)state;
	file_set("target", "one\n");
	assert_int_equal(symlinkat("target", dir_fd, "link"), 0);
	assert_true(
		cdiff_script_apply(span_str("OPEN link\nDEL 1 one\nCLOSE\n"), dir_fd, &why) < 0);
	assert_true(cdiff_script_apply(span_str("OPEN link\nADD x\nCLOSE\n"), dir_fd, &why) < 0);
	assert_string_equal(file_get("target"), "one\n");
}

static size_t packed(uint8_t out[1024], const char *header, const char *script)
{
	size_t n = strlen(header);
	z_stream z = {.next_in = (Bytef *)script,
		.avail_in = (uInt)strlen(script),
		.next_out = out + n,
		.avail_out = (uInt)(1024 - n)};

	memcpy(out, header, n);
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return n + z.total_out;
}

static int apply(const uint8_t *p, size_t n, const char **why)
{
	_cleanup_close_ int fd = memfd_create("cdiff", MFD_CLOEXEC);

	file_set("a", "one\n");
	assert_int_equal(write(fd, p, n), n);
	return cdiff_apply(fd, dir_fd, 7, why);
}

static void test_container(void **state)
{
	static const char script[] = "OPEN a\nADD two\nCLOSE\n";
	static const struct {
		const char *header, *why;
	} rows[] = {
		{"ClamAV-Diff:7:21:", NULL},
		{"ClamAV-Diff:8:21:", "the CDIFF is the step to another version"},
		{"ClamAV-Diff:7:20:", "the CDIFF is damaged or cut off"},
		{"ClamAV-Diff:7:22:", "the CDIFF is damaged or cut off"},
		{"ClamAV-Diff:7:4294967295:", "not a CDIFF"},
		{"ClamAV-Diff:7:0:", "not a CDIFF"},
		{"ClamAV-Diff:7:", "not a CDIFF"},
		{"ClamAV-VDB:7:21:", "not a CDIFF"},
		{"", "not a CDIFF"},
	};
	uint8_t file[1024];
	const char *why;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = packed(file, rows[i].header, script);
		int r = apply(file, n, &why);
		if ((r < 0) != (rows[i].why != NULL))
			fail_msg("%s: %d %s", rows[i].header, r, why);
		assert_string_equal(file_get("a"), rows[i].why ? "one\n" : "one\ntwo\n");
		if (rows[i].why)
			assert_string_equal(why, rows[i].why);
	}
	size_t n = packed(file, rows[0].header, script);
	for (size_t cut = 0; cut < n; cut++)
		assert_true(apply(file, cut, &why) < 0);
	for (size_t at = 18; at < n; at++) {
		file[at] ^= 0x20;
		/* A few bits of a gzip header mean nothing; then the script is the same. */
		if (apply(file, n, &why) == 0)
			assert_string_equal(file_get("a"), "one\ntwo\n");
		file[at] ^= 0x20;
	}
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
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_container),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
