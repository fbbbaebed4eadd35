#include "inspect/settings.h"

#include <errno.h>
#include <stdlib.h>

#include "inspect/rule_policy.h"

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
	{"rules",
		"{\"rules\":{\"profile\":\"strict\",\"dry-run\":true,\"sid\":[{\"sid\":\"5-9\","
		"\"action\":\"off\"}],\"classtype\":[{\"name\":\"x\",\"action\":\"drop\"}]}}",
		NULL, 1, true, NULL},
	{"unknown profile", "{\"rules\":{\"profile\":\"brave\"}}",
		"rules: profile \"brave\" is none of monitor, balanced and strict", 1, true, NULL},
	{"no range", "{\"rules\":{\"sid\":[{\"sid\":\"9-5\",\"action\":\"off\"}]}}",
		"rules: \"9-5\" is no sid and no range of sids", 1, true, NULL},
	{"unknown action", "{\"rules\":{\"category\":[{\"name\":\"x\",\"action\":\"kill\"}]}}",
		"rules: action \"kill\" is none of alert, drop, reject and off", 1, true, NULL},
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
				assert_string_equal(s.vars[0].value, rows[i].home_net);
		}
		sd_json_variant_unref(config);
		settings_fini(&s);
		free(why);
	}
	app_free(names);
}

static void test_policy(void **state)
{
	static const char text[] = "{\"rules\":{\"profile\":\"strict\",\"dry-run\":true,"
				   "\"sid\":[{\"sid\":\"5-9\",\"action\":\"off\"}]}}";
	sd_json_variant *config = NULL;
	struct settings s;
	char *why = NULL;

	(void)state;
	settings_init(&s);
	assert_null(s.policy); /* by hand, rules do what they say */
	assert_true(sd_json_parse(text, 0, &config, NULL, NULL) >= 0);
	assert_int_equal(settings_read(&s, config, NULL, &why), 0);
	assert_non_null(s.policy);
	assert_int_equal(s.policy->profile, POLICY_STRICT);
	assert_int_equal(s.policy->n, 1);
	assert_true(s.dry_run);
	sd_json_variant_unref(config);
	settings_fini(&s);
}

static void test_application_policy(void **state)
{
	static const char text[] = "{\"application-policy\":[{\"name\":\"a\",\"application\":["
				   "\"BitTorrent\"],\"category\":["
				   "\"SocialNetwork\"],\"source\":[\"10.0.0.0/8\",\"fd00::/"
				   "8\"],\"day\":[\"monday\",\"friday\"],"
				   "\"from\":\"08:00\",\"to\":\"17:30\",\"action\":\"drop\"},{"
				   "\"name\":\"b\",\"action\":\"accept\"}],"
				   "\"list\":[{\"name\":\"l\",\"action\":\"drop\"}]}";
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"{\"application-policy\":[{\"name\":\"a\",\"application\":[\"Nothing\"],"
		 "\"action\":\"drop\"}]}",
			"application-policy a: application \"Nothing\" is not understood"},
		{"{\"application-policy\":[{\"name\":\"a\",\"category\":[\"Nothing\"],\"action\":"
		 "\"drop\"}]}",
			"application-policy a: category \"Nothing\" is not understood"},
		{"{\"application-policy\":[{\"name\":\"a\"}]}",
			"application-policy a: action \"\" is not understood"},
		{"{\"list\":[{\"name\":\"../x\",\"action\":\"drop\"}]}",
			"list: \"../x\" is no name of a list"},
		{"{\"list\":[{\"name\":\"x\",\"action\":\"burn\"}]}",
			"list: action \"burn\" is none of alert, drop and off"},
	};
	sd_json_variant *config = NULL;
	struct app *names;
	struct settings s;
	char *why = NULL;

	(void)state;
	assert_int_equal(app_new(&names), 0);
	settings_init(&s);
	assert_true(sd_json_parse(text, 0, &config, NULL, NULL) >= 0);
	assert_int_equal(settings_read(&s, config, names, &why), 0);
	sd_json_variant_unref(config);
	assert_int_equal(s.app_policies_n, 2);
	const struct app_policy *p = &s.app_policies[0];
	static const char *const apps[] = {"BitTorrent", "Facebook"};
	for (size_t i = 0; i < ARRAY_LEN(apps); i++) {
		unsigned id = app_by_name(names, apps[i]);
		assert_true(p->apps[id / 64] >> id % 64 & 1);
	}
	assert_int_equal(p->sources, 2);
	assert_int_equal(p->days, 0x11);
	assert_int_equal(p->from, 480);
	assert_int_equal(p->to, 1050);
	assert_true(p->drop && !p->any_app);
	assert_true(!s.app_policies[1].drop && s.app_policies[1].any_app);
	assert_int_equal(s.domains_n, 1);
	assert_int_equal(s.domains[0].action, DOMAIN_DROP);
	settings_fini(&s);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		why = NULL;
		settings_init(&s);
		assert_true(sd_json_parse(bad[i].text, 0, &config, NULL, NULL) >= 0);
		assert_true(settings_read(&s, config, names, &why) < 0);
		assert_string_equal(why, bad[i].why);
		sd_json_variant_unref(config);
		settings_fini(&s);
		free(why);
	}
	app_free(names);
}

static void test_set(void **state)
{
	static const struct {
		const char *in;
		int want;
	} sets[] = {
		{"stream.midstream=true", 0},
		{"stream.midstream=perhaps", -EINVAL},
		{"stream.midstream", -EINVAL},
		{"stream.midstream-policy=drop-flow", 0},
		{"stream.reassembly.depth=2mb", 0},
		{"stream.reassembly.depth=2parsec", -EINVAL},
		{"vars.address-groups.HOME_NET=[192.0.2.0/24]", 0},
		{"host-os-policy.linux=192.0.2.0/25, 2001:db8::/33", 0},
		{"host-os-policy.old-linux=192.0.2.7", 0},
		{"host-os-policy.temple-os=192.0.2.7", -EINVAL},
		{"host-os-policy.linux=192.0.2.7/33", -EINVAL},
		{"odd.name=1", -ENOENT},
	};
	struct settings s;

	(void)state;
	settings_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		assert_int_equal(settings_set(&s, sets[i].in), sets[i].want);
	assert_int_equal(s.tcp.midstream_policy, EXCEPTION_DROP_FLOW);
	assert_int_equal(s.tcp.depth_bytes, 2 << 20);
	assert_int_equal(s.n_vars, 1);
	assert_string_equal(s.vars[0].name, "HOME_NET");
	static const struct {
		struct detect_addr addr;
		enum stream_policy want;
	} hosts[] = {
		{{4, {192, 0, 2, 7}}, STREAM_OLD_LINUX},
		{{4, {192, 0, 2, 127}}, STREAM_LINUX},
		{{4, {192, 0, 2, 128}}, STREAM_AS_POOL},
		{{6, {0x20, 1, 0x0d, 0xb8, 0x7f}}, STREAM_LINUX},
		{{6, {0x20, 1, 0x0d, 0xb8, 0x80}}, STREAM_AS_POOL},
	};
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		assert_int_equal(settings_host_policy(&s, &hosts[i].addr), hosts[i].want);
	settings_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_application_policy),
		cmocka_unit_test(test_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
