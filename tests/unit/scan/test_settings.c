#include "scan/settings.h"

#include <stdlib.h>

#include "lib/cleanup.h"
#include "unit.h"

static int parse(const char *text, struct settings *s, char **ret_why)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *config = NULL;

	assert_int_equal(sd_json_parse(text, 0, &config, NULL, NULL), 0);
	return settings_parse(config, s, ret_why);
}

static void test_defaults(void **state)
{
	struct settings a, b;
	char *why = NULL;

	(void)state;
	settings_defaults(&a);
	assert_int_equal(parse("{}", &b, &why), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	/* maild waits 30 s for an answer. */
	assert_true(a.message.time_ms < 30000);
	assert_true(a.engine.time_ms <= a.message.time_ms);
}

static void test_values(void **state)
{
	struct settings s;
	char *why = NULL;

	(void)state;
	assert_int_equal(parse("{\"reload\":\"serial\",\"workers\":3,\"max-parts\":77,"
			       "\"max-part-seconds\":5,\"max-total-bytes\":2000000,\"other\":1}",
				 &s, &why),
		0);
	assert_int_equal(s.reload, RELOAD_SERIAL);
	assert_int_equal(s.workers, 3);
	assert_int_equal(s.message.mime.parts, 77);
	assert_int_equal(s.engine.time_ms, 5000);
	assert_int_equal(s.engine.total_bytes, 2000000);
	assert_int_equal(s.message.mime.decoded_bytes, 2000000);
}

static void test_refuses(void **state)
{
	static const struct {
		const char *text, *leaf;
	} rows[] = {
		{"{\"reload\":\"never\"}", "reload"},
		{"{\"workers\":33}", "workers"},
		{"{\"workers\":-1}", "workers"},
		{"{\"max-parts\":9}", "max-parts"},
		{"{\"max-message-seconds\":29}", "max-message-seconds"},
		{"{\"max-header-bytes\":4194305}", "max-header-bytes"},
		{"{\"small-message-bytes\":\"x\"}", "small-message-bytes"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_free_ char *why = NULL;
		struct settings s = {.workers = 99};
		assert_true(parse(rows[i].text, &s, &why) < 0);
		assert_int_equal(s.workers, 99);
		if (!why || !strstr(why, rows[i].leaf))
			fail_msg("%s: %s", rows[i].text, why ? why : "no reason");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
