#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "update/cvd.h"
#include "update/file.h"

#define HEAD "ClamAV-VDB:22 Jun 2021 14-58 -0400:7:2:81:X:X:builder:1624388302"

static void test_header(void **state)
{
	static const struct {
		const char *text;
		uint64_t version, built; /* 0: not a header */
	} rows[] = {
		{HEAD, 7, 1624388302},
		{HEAD "\nmore", 7, 1624388302},
		{HEAD "      ", 7, 1624388302},
		{"ClamAV-VDB:x:7:2:81:X:X:builder", 7, 0},
		{"ClamAV-VDB:x:0:2:81:X:X:builder:1", 0, 0},
		{"ClamAV-VDB:x:-1:2:81:X:X:builder:1", 0, 0},
		{"ClamAV-VDB:x:99999999999:2:81:X:X:builder:1", 0, 0},
		{"ClamAV-VDB:x:7:2:81:X:X", 0, 0},
		{"ClamAV-VDB:", 0, 0},
		{"<html>", 0, 0},
		{"", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cvd_header h;
		if (cvd_header_read(span_str(rows[i].text), &h) != (rows[i].version != 0))
			fail_msg("%s", rows[i].text);
		if (rows[i].version) {
			assert_int_equal(h.version, rows[i].version);
			assert_int_equal(h.built, rows[i].built);
		}
	}
}

static int folder_new(char *path)
{
	assert_non_null(mkdtemp(path));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void file_set(int dir_fd, const char *name, const char *text)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void test_round_trip(void **state)
{
	char from[] = "/tmp/test-cvd-XXXXXX", to[] = "/tmp/test-cvd-XXXXXX";
	int from_fd = folder_new(from), to_fd = folder_new(to);
	int fd = memfd_create("cld", MFD_CLOEXEC), again = memfd_create("cld", MFD_CLOEXEC);
	char one[HASH_CHARS + 1], two[HASH_CHARS + 1];
	static struct delivery_names names;
	const char *why = NULL;
	struct cvd_header h;

	(void)state;
	file_set(from_fd, "t.info", HEAD "\nt.ndb:3:00\nt.hdb:0:00\nDSIG:xx\n");
	file_set(from_fd, "t.ndb", "abc");
	assert_int_equal(cvd_info_check(from_fd, "t", &h, &why), -EBADMSG);
	assert_string_equal(why, "a file of the database is missing");
	file_set(from_fd, "t.hdb", "");
	assert_int_equal(cvd_info_check(from_fd, "t", &h, &why), 0);
	assert_int_equal(h.version, 7);
	assert_int_equal(cvd_info_check(from_fd, "u", &h, &why), -EBADMSG);

	assert_int_equal(cvd_pack(from_fd, "t", fd, &why), 0);
	assert_int_equal(cvd_header_load(fd, &h), 0);
	assert_int_equal(h.version, 7);
	assert_int_equal(cvd_unpack(fd, to_fd, &names, &why), 0);
	assert_int_equal(names.n, 3);
	assert_string_equal(names.name[0], "t.info");
	assert_int_equal(cvd_info_check(to_fd, "t", &h, &why), 0);
	/* The same files are the same archive. */
	assert_int_equal(cvd_pack(to_fd, "t", again, &why), 0);
	assert_int_equal(file_hash(fd, one), 0);
	assert_int_equal(file_hash(again, two), 0);
	assert_string_equal(one, two);

	file_set(from_fd, "t.info", HEAD "\n../t.ndb:3:00\nDSIG:xx\n");
	assert_int_equal(cvd_info_check(from_fd, "t", &h, &why), -EBADMSG);
	close(fd);
	close(again);
	close(from_fd);
	close(to_fd);
	folder_remove(from);
	folder_remove(to);
}

static void test_names(void **state)
{
	(void)state;
	assert_true(cvd_name_ok("daily.cvd"));
	assert_true(cvd_name_ok("daily.cld"));
	assert_false(cvd_name_ok("daily.ndb"));
	assert_false(cvd_name_ok(".cvd"));
	assert_false(cvd_name_ok("a/b.cvd"));
	assert_false(cvd_name_ok("daily"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
