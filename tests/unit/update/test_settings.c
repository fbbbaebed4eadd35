#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "update/settings.h"

static int parse(const char *config, const char *secrets, struct settings *ret, char **ret_why)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *c = NULL, *s = NULL;

	assert_true(sd_json_parse(config, 0, &c, NULL, NULL) >= 0);
	assert_true(!secrets || sd_json_parse(secrets, 0, &s, NULL, NULL) >= 0);
	return settings_parse(c, s, ret, ret_why);
}

static void test_defaults(void **state)
{
	struct settings s;
	_cleanup_free_ char *why = NULL;

	(void)state;
	assert_int_equal(parse("{}", NULL, &s, &why), 0);
	assert_int_equal(s.warn_age_h, 72);
	assert_int_equal(s.bandwidth_kbit, 0);
	assert_int_equal(s.windows.n, 0);
	assert_string_equal(s.user_agent, "sekisho");
	assert_null(s.proxy_url);
	settings_free(&s);
	assert_int_equal(settings_parse(NULL, NULL, &s, &why), 0);
	settings_free(&s);
}

static void test_all(void **state)
{
	static const char config[] =
		"{\"bandwidth\":512,\"warn-age\":24,\"user-agent\":\"me/"
		"1\",\"proxy\":{\"url\":\"http://p:1\","
		"\"user\":\"u\"},\"window\":[{\"name\":\"a\",\"from\":\"22:00\",\"to\":\"02:30\"},"
		"{\"name\":\"b\",\"day\":[\"monday\",\"sunday\"],\"from\":\"00:00\",\"to\":\"00:"
		"00\"}],"
		"\"source\":[{\"name\":\"x\",\"type\":\"domains\",\"url\":\"https://m/"
		"x\",\"column\":2}]}";
	struct settings s;
	_cleanup_free_ char *why = NULL;

	(void)state;
	assert_int_equal(parse(config, "{\"proxy\":{\"password\":\"w\"}}", &s, &why), 0);
	assert_int_equal(s.bandwidth_kbit, 512);
	assert_int_equal(s.warn_age_h, 24);
	assert_string_equal(s.proxy_password, "w");
	assert_int_equal(s.windows.n, 2);
	assert_int_equal(s.windows.item[0].days, 127);
	assert_int_equal(s.windows.item[0].to_min, 150);
	assert_int_equal(s.windows.item[1].days, 1 | 1 << 6);
	assert_int_equal(s.sources.item[0]->column, 2);
	settings_free(&s);
}

static void test_refusals(void **state)
{
	static const char *const configs[] = {
		"{\"bandwidth\":\"fast\"}",
		"{\"window\":[{\"name\":\"a\"}]}",
		"{\"window\":[{\"from\":\"1\",\"to\":\"02:00\"}]}",
		"{\"window\":[{\"day\":[\"someday\"],\"from\":\"01:00\",\"to\":\"02:00\"}]}",
		"{\"window\":[{\"day\":[7],\"from\":\"01:00\",\"to\":\"02:00\"}]}",
		"{\"window\":[7]}",
		"{\"source\":[7]}",
		"{\"source\":[{\"name\":\"x\",\"type\":\"rules\",\"url\":\"http://m/"
		"\",\"column\":33}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
		struct settings s;
		_cleanup_free_ char *why = NULL;
		if (parse(configs[i], NULL, &s, &why) >= 0 || !why)
			fail_msg("%s", configs[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
