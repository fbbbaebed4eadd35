#include <errno.h>
#include <unistd.h>

#include "mail/spool.h"

#include "unit.h"

static void test_seal(void **state)
{
	struct spool_pool pool = {.max_bytes = 1000};
	struct spool s;
	char text[8] = "";

	(void)state;
	spool_open(&s, &pool, 100);
	assert_int_equal(spool_write(&s, SPAN_LIT("abc")), 0);
	assert_int_equal(spool_write(&s, SPAN_LIT("def")), 0);
	assert_int_equal(spool_seal(&s), 0);
	assert_true(span_eq(spool_text(&s), SPAN_LIT("abcdef")));
	assert_int_equal(write(s.fd, "x", 1), -1);
	assert_int_equal(ftruncate(s.fd, 1), -1);
	int a = spool_reopen(&s), b = spool_reopen(&s);
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(read(a, text, 6), 6); /* each has a position of its own */
	assert_int_equal(read(b, text, 6), 6);
	assert_string_equal(text, "abcdef");
	assert_int_equal(write(a, "x", 1), -1);
	close(a);
	close(b);
	spool_close(&s);
	assert_int_equal(pool.used_bytes, 0);
}

static void test_limits(void **state)
{
	struct spool_pool pool = {.max_bytes = 8};
	struct spool a, b;

	(void)state;
	spool_open(&a, &pool, 5);
	spool_open(&b, &pool, 5);
	assert_int_equal(spool_write(&a, SPAN_LIT("12345")), 0);
	assert_int_equal(a.full, SPOOL_FITS);
	assert_int_equal(spool_write(&a, SPAN_LIT("6")), 0);
	assert_int_equal(a.full, SPOOL_MESSAGE_FULL);
	assert_int_equal(spool_write(&b, SPAN_LIT("1234")), 0);
	assert_int_equal(b.full, SPOOL_POOL_FULL);
	assert_int_equal(pool.used_bytes, 5);
	spool_close(&a);
	spool_close(&b);
	assert_int_equal(pool.used_bytes, 0);
}

/* A message that outgrows memory goes to disk whole, and what is over that too is refused. */
static void test_disk(void **state)
{
	struct spool_pool pool = {
		.max_bytes = 100, .memory_bytes = 4, .disk_max_bytes = 8, .folder = "/tmp"};
	struct spool a, b;
	char text[8] = "";

	(void)state;
	spool_open(&a, &pool, 100);
	assert_int_equal(spool_write(&a, SPAN_LIT("abcd")), 0);
	assert_false(a.on_disk);
	assert_int_equal(spool_write(&a, SPAN_LIT("ef")), 0);
	assert_true(a.on_disk);
	assert_int_equal(pool.used_bytes, 0);
	assert_int_equal(pool.disk_used_bytes, 6);
	assert_int_equal(spool_write(&a, SPAN_LIT("gh")), 0);
	assert_int_equal(a.full, SPOOL_FITS);
	assert_int_equal(spool_seal(&a), 0);
	assert_true(span_eq(spool_text(&a), SPAN_LIT("abcdefgh")));
	int fd = spool_reopen(&a);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, 8), 8);
	assert_memory_equal(text, "abcdefgh", 8);
	assert_int_equal(write(fd, "x", 1), -1);
	close(fd);
	spool_open(&b, &pool, 100);
	assert_int_equal(spool_write(&b, SPAN_LIT("12345")), 0);
	assert_int_equal(b.full, SPOOL_POOL_FULL);
	spool_close(&a);
	spool_close(&b);
	assert_int_equal(pool.disk_used_bytes, 0);
	assert_int_equal(pool.used_bytes, 0);
}

/* Over the heap's part into the memfd, and from there to disk. */
static void test_large(void **state)
{
	struct spool_pool pool = {.max_bytes = 1u << 30,
		.memory_bytes = 200000,
		.disk_max_bytes = 1u << 30,
		.folder = "/tmp"};
	static uint8_t block[50000];
	struct spool s;

	(void)state;
	for (unsigned blocks = 1; blocks <= 6; blocks++) {
		spool_open(&s, &pool, 1u << 30);
		for (unsigned i = 0; i < blocks; i++) {
			memset(block, 'a' + (int)i, sizeof(block));
			assert_int_equal(spool_write(&s, span_of(block, sizeof(block))), 0);
		}
		assert_int_equal(s.on_disk, blocks > 4);
		assert_int_equal(spool_seal(&s), 0);
		struct span text = spool_text(&s);
		assert_int_equal(text.n, blocks * sizeof(block));
		for (unsigned i = 0; i < blocks; i++) {
			memset(block, 'a' + (int)i, sizeof(block));
			assert_memory_equal(text.p + i * sizeof(block), block, sizeof(block));
		}
		int fd = spool_reopen(&s);
		assert_int_equal(lseek(fd, 0, SEEK_END), text.n);
		close(fd);
		spool_close(&s);
	}
	assert_int_equal(pool.used_bytes + pool.disk_used_bytes, 0);
}

static void test_no_disk(void **state)
{
	struct spool_pool pool = {
		.max_bytes = 100, .memory_bytes = 1, .disk_max_bytes = 8, .folder = "/nonexistent"};
	struct spool s;

	(void)state;
	spool_open(&s, &pool, 100);
	assert_int_equal(spool_write(&s, SPAN_LIT("ab")), -ENOENT);
	spool_close(&s);
	pool.disk_max_bytes = 0; /* all in memory then */
	spool_open(&s, &pool, 100);
	assert_int_equal(spool_write(&s, SPAN_LIT("ab")), 0);
	assert_int_equal(s.full, SPOOL_FITS);
	spool_close(&s);
}

static void test_empty(void **state)
{
	struct spool_pool pool = {.max_bytes = 8};
	struct spool s;

	(void)state;
	spool_open(&s, &pool, 5);
	assert_int_equal(spool_seal(&s), 0);
	assert_int_equal(spool_text(&s).n, 0);
	spool_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seal),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_disk),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_no_disk),
		cmocka_unit_test(test_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
