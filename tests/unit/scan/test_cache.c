#include "scan/cache.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

static const uint8_t *key_of(unsigned n)
{
	static uint8_t key[CACHE_KEY_BYTES];

	memset(key, 7, sizeof(key)); /* the first bytes alike: one bucket */
	memcpy(key + 4, &n, sizeof(n));
	return key;
}

static void put(struct cache *c, unsigned n)
{
	struct scan_verdict v = {.result = SCAN_INFECTED, .facts = n};

	snprintf(v.signature, sizeof(v.signature), "Virus.%u", n);
	cache_put(c, key_of(n), &v);
}

static void test_remembers(void **state)
{
	struct cache *c = cache_new();

	(void)state;
	assert_null(cache_get(c, key_of(1)));
	for (unsigned n = 0; n < 100; n++)
		put(c, n);
	for (unsigned n = 0; n < 100; n++) {
		const struct scan_verdict *v = cache_get(c, key_of(n));
		assert_non_null(v);
		assert_int_equal(v->facts, n);
	}
	assert_string_equal(cache_get(c, key_of(42))->signature, "Virus.42");
	assert_null(cache_get(c, key_of(100)));
	cache_free(c);
}

/* The one unused for longest goes, not the oldest. */
static void test_forgets(void **state)
{
	struct cache *c = cache_new();

	(void)state;
	for (unsigned n = 0; n < CACHE_ENTRIES; n++)
		put(c, n);
	assert_non_null(cache_get(c, key_of(0)));
	for (unsigned n = 0; n < 10; n++)
		put(c, CACHE_ENTRIES + n);
	assert_non_null(cache_get(c, key_of(0)));
	for (unsigned n = 1; n <= 10; n++)
		assert_null(cache_get(c, key_of(n)));
	for (unsigned n = 11; n < CACHE_ENTRIES + 10; n++)
		assert_non_null(cache_get(c, key_of(n)));
	cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remembers), cmocka_unit_test(test_forgets)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
