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
	assert_int_equal(spool_open(&s, &pool, 100), 0);
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
	assert_int_equal(spool_open(&a, &pool, 5), 0);
	assert_int_equal(spool_open(&b, &pool, 5), 0);
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

static void test_empty(void **state)
{
	struct spool_pool pool = {.max_bytes = 8};
	struct spool s;

	(void)state;
	assert_int_equal(spool_open(&s, &pool, 5), 0);
	assert_int_equal(spool_seal(&s), 0);
	assert_int_equal(spool_text(&s).n, 0);
	spool_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seal),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
