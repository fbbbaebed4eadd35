#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tarball.h"
#include "update/file.h"
#include "update/unpack.h"

/* What comes out of these bytes, into a fresh folder. */
static int run(const uint8_t *p, size_t n, struct delivery_names *names, const char **why)
{
	char folder[] = "/tmp/test-unpack-XXXXXX";
	int fd = memfd_create("download", MFD_CLOEXEC);
	const struct unpack_form form = {.type = type_find("rules"), .bytes = UNPACK_BYTES};

	assert_int_equal(write(fd, p, n), n);
	assert_non_null(mkdtemp(folder));
	int dir_fd = open(folder, O_RDONLY | O_DIRECTORY);
	*why = NULL;
	int r = unpack(fd, &form, dir_fd, names, why);
	close(dir_fd);
	close(fd);
	folder_remove(folder);
	return r;
}

static void test_unpack(void **state)
{
	static struct tarball t;
	static uint8_t gz[65536];
	static struct delivery_names names;
	const char *why;

	(void)state;
	tarball_add(&t, "rules/LICENSE", '0', "text");
	tarball_add(&t, "rules/a.rules", '0', "alert");
	tarball_add(&t, "rules/.hidden.rules", '0', "x");
	tarball_add(&t, "rules/b.rules", '0', "drop");
	tarball_end(&t);
	size_t n = gzip(&t, gz, sizeof(gz));
	assert_int_equal(run(gz, n, &names, &why), 0);
	assert_int_equal(names.n, 2);
	assert_string_equal(names.name[0], "a.rules");
	assert_string_equal(names.name[1], "b.rules");

	/* Cut anywhere, or with any bit of its check sum wrong, nothing passes. */
	for (size_t cut = 0; cut < n; cut++)
		assert_int_not_equal(run(gz, cut, &names, &why), 0);
	gz[n - 6] ^= 1;
	assert_int_not_equal(run(gz, n, &names, &why), 0);
	assert_string_equal(why, "the compressed data is damaged");
}

static void test_refusals(void **state)
{
	static struct tarball t;
	static uint8_t gz[65536];
	static struct delivery_names names;
	const char *why;

	(void)state;
	assert_int_not_equal(run((const uint8_t *)"<html>404</html>", 16, &names, &why), 0);
	assert_string_equal(why, "not a gzip file");

	memcpy(t.p, "just text", 9);
	t.n = 9;
	assert_int_not_equal(run(gz, gzip(&t, gz, sizeof(gz)), &names, &why), 0);
	assert_string_equal(why, "the archive has no end: not a tarball, or cut off");

	t.n = 0;
	tarball_add(&t, "a/a.rules", '0', "x");
	tarball_add(&t, "b/a.rules", '0', "x");
	tarball_end(&t);
	assert_int_not_equal(run(gz, gzip(&t, gz, sizeof(gz)), &names, &why), 0);
	assert_string_equal(why, "two files of one name");

	t.n = 0;
	tarball_add(&t, "README", '0', "x");
	tarball_end(&t);
	assert_int_not_equal(run(gz, gzip(&t, gz, sizeof(gz)), &names, &why), 0);
	assert_string_equal(why, "no file of the wanted kind in the archive");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unpack),
		cmocka_unit_test(test_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
