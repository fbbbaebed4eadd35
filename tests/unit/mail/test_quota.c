#include <stdio.h>

#include "mail/quota.h"

#include "unit.h"

static void test_limits(void **state)
{
	struct quota q = {0};
	struct quota_source *a, *b, *c;

	(void)state;
	assert_int_equal(quota_enter(&q, "192.0.2.1", 1, 2, 0, &a), QUOTA_ENTER);
	assert_int_equal(quota_enter(&q, "192.0.2.1", 1, 2, 0, &b), QUOTA_ENTER);
	assert_int_equal(quota_enter(&q, "192.0.2.1", 1, 2, 0, &c), QUOTA_TOO_MANY);
	assert_null(c);
	assert_int_equal(quota_enter(&q, "192.0.2.2", 1, 2, 0, &c), QUOTA_ENTER);
	quota_leave(c);
	quota_leave(a);
	assert_int_equal(quota_enter(&q, "192.0.2.1", 1, 2, 0, &a), QUOTA_ENTER);
	quota_leave(a);
	quota_leave(b);
	/* one customer has a /64 */
	assert_int_equal(quota_enter(&q, "2001:db8::1", 1, 1, 0, &a), QUOTA_ENTER);
	assert_int_equal(quota_enter(&q, "2001:db8::ffff:1", 1, 1, 0, &b), QUOTA_TOO_MANY);
	assert_int_equal(quota_enter(&q, "2001:db8:0:1::1", 1, 1, 0, &b), QUOTA_ENTER);
	quota_leave(a);
	quota_leave(b);
	quota_free(&q);
}

static void test_rate(void **state)
{
	struct quota q = {0};
	struct quota_source *a;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(quota_enter(&q, "192.0.2.1", 5, 0, 3, &a), QUOTA_ENTER);
		quota_leave(a);
	}
	assert_int_equal(quota_enter(&q, "192.0.2.1", 6, 0, 3, &a), QUOTA_TOO_FAST);
	assert_int_equal(quota_enter(&q, "192.0.2.1", 5 + QUOTA_MINUTE_US, 0, 3, &a), QUOTA_ENTER);
	quota_leave(a);
	quota_free(&q);
}

static void test_full_table(void **state)
{
	struct quota q = {0};
	struct quota_source *a;
	char ip[32];

	(void)state;
	for (unsigned i = 0; i < QUOTA_SOURCES + 10; i++) {
		snprintf(ip, sizeof(ip), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		assert_int_equal(quota_enter(&q, ip, 1, 1, 1, &a), QUOTA_ENTER);
		quota_leave(a);
	}
	assert_int_equal(q.sources, QUOTA_SOURCES);
	assert_int_equal(q.untracked, 10);
	/* a minute later all are forgotten */
	assert_int_equal(quota_enter(&q, "192.0.2.1", 2 * QUOTA_MINUTE_US, 1, 1, &a), QUOTA_ENTER);
	assert_non_null(a);
	assert_int_equal(q.sources, 1);
	quota_leave(a);
	quota_free(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_full_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
