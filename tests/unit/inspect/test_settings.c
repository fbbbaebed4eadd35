#include "inspect/settings.h"

#include <stdlib.h>

#include "unit.h"

static const struct {
	const char *name, *in;
	const char *why; /* NULL: accepted */
	unsigned queues;
	bool bypass;
	const char *home_net;
} rows[] = {
	{"empty", "{}", NULL, 1, true, NULL},
	{"as rendered",
		"{\"enabled\":true,\"on-failure\":\"open\",\"queues\":2,\"bypass\":false,\"home-"
		"net\":[\"10.0.0.0/8\",\"fd00::/8\"]}",
		NULL, 2, false, "[10.0.0.0/8,fd00::/8]"},
	{"application", "{\"application\":[{\"name\":\"bittorrent\",\"action\":\"drop\"}]}", NULL,
		1, true, NULL},
	{"unknown application", "{\"application\":[{\"name\":\"Foo\",\"action\":\"drop\"}]}",
		"application \"Foo\" is not known; names are nDPI's, such as BitTorrent", 1, true,
		NULL},
	{"bad action", "{\"application\":[{\"name\":\"HTTP\",\"action\":\"maybe\"}]}",
		"application: action \"maybe\" is neither accept nor drop", 1, true, NULL},
	{"no queues", "{\"queues\":0}", "queues: 1 to 16", 1, true, NULL},
	{"bad network", "{\"home-net\":[\"10.0.0.0/33\"]}",
		"home-net: \"10.0.0.0/33\" is not a network such as 192.168.0.0/16", 1, true, NULL},
	{"not a network", "{\"home-net\":[\"any] any\"]}",
		"home-net: \"any] any\" is not a network such as 192.168.0.0/16", 1, true, NULL},
	{"wrong type", "{\"bypass\":3}", "bypass: wrong type of value", 1, true, NULL},
};

static void test_rows(void **state)
{
	struct app *names;

	(void)state;
	assert_int_equal(app_new(&names), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		sd_json_variant *config = NULL;
		struct settings s;
		char *why = NULL;

		settings_init(&s);
		assert_true(sd_json_parse(rows[i].in, 0, &config, NULL, NULL) >= 0);
		int r = settings_read(&s, config, names, &why);
		if ((r < 0) != !!rows[i].why || (why && strcmp(why, rows[i].why) != 0))
			fail_msg("%s: %d, %s", rows[i].name, r, why ? why : "(accepted)");
		if (r >= 0) {
			assert_int_equal(s.queues, rows[i].queues);
			assert_int_equal(s.bypass, rows[i].bypass);
			if (rows[i].home_net)
				assert_string_equal(s.home_net, rows[i].home_net);
		}
		sd_json_variant_unref(config);
		settings_fini(&s);
		free(why);
	}
	app_free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
