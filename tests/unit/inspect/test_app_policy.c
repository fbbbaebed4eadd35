#include "inspect/app_policy.h"

#include <stdlib.h>

#include "unit.h"

#define WEDNESDAY_NOON 1704283200 /* 2024-01-03 12:00 UTC */
#define HOURS 3600

static struct app_policy row(const char *name, unsigned app, const char *source, uint8_t days,
	const char *from, const char *to, bool drop)
{
	struct app_policy p = {.days = days, .drop = drop, .any_app = app == 0};

	strcpy(p.name, name);
	if (app)
		p.apps[app / 64] |= UINT64_C(1) << app % 64;
	if (source) {
		assert_true(app_source_parse(source, &p.source[0]));
		p.sources = 1;
	}
	assert_true(app_time_parse(from, &p.from) && app_time_parse(to, &p.to));
	return p;
}

static void test_find(void **state)
{
	const struct app_policy rows[] = {
		row("boss", 70, "10.0.0.7", 0, "00:00", "24:00", false),
		row("lunch", 70, "10.0.0.0/23", 0x04, "12:00", "13:00", false),
		row("night", 71, NULL, 0x04, "22:00", "06:00", true),
		row("guests", 0, "fd00:1::/33", 0, "00:00", "24:00", true),
		row("work", 70, "10.0.0.0/23", 0x1f, "08:00", "18:00", true),
	};
	static const struct {
		const char *name;
		uint16_t app, carrier;
		const char *client;
		long seconds; /* from Wednesday noon */
		const char *want;
	} cases[] = {
		{"the first row that fits", 70, 0, "10.0.0.7", 0, "boss"},
		{"hours", 70, 0, "10.0.1.9", 59 * 60, "lunch"},
		{"hours over", 70, 0, "10.0.1.9", HOURS, "work"},
		{"network", 70, 0, "10.0.2.9", HOURS, NULL},
		{"by its carrier", 9, 70, "10.0.1.9", HOURS, "work"},
		{"another application", 72, 0, "10.0.1.9", HOURS, NULL},
		{"weekend", 70, 0, "10.0.1.9", 3 * 24 * HOURS, NULL},
		{"past midnight: its day was yesterday", 71, 0, "10.9.9.9", 17 * HOURS, "night"},
		{"past midnight of another day", 71, 0, "10.9.9.9", (17 - 24) * HOURS, NULL},
		{"evening", 71, 0, "10.9.9.9", 11 * HOURS, "night"},
		{"any application", 5, 0, "fd00:1:7fff::1", 0, "guests"},
		{"a bit too far", 5, 0, "fd00:1:8000::1", 0, NULL},
	};

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct app_source client;
		assert_true(app_source_parse(cases[i].client, &client));
		struct detect_addr addr = {.family = client.family};
		memcpy(addr.bytes, client.bytes, sizeof(addr.bytes));
		struct app_flow f = {.id = cases[i].app, .carrier = cases[i].carrier};
		const struct app_policy *p = app_policy_find(
			rows, ARRAY_LEN(rows), &f, &addr, WEDNESDAY_NOON + cases[i].seconds);
		if ((p ? strcmp(p->name, cases[i].want ? cases[i].want : "")
		       : cases[i].want != NULL))
			fail_msg("%s: %s", cases[i].name, p ? p->name : "none");
	}
}

static void test_parse(void **state)
{
	struct app_source s;
	uint16_t minutes;
	unsigned day;

	(void)state;
	assert_false(app_source_parse("10.0.0.0/33", &s));
	assert_false(app_source_parse("office", &s));
	assert_false(app_time_parse("24:01", &minutes));
	assert_false(app_time_parse("8:00", &minutes));
	assert_true(app_day_parse("sunday", &day) && day == 6);
	assert_false(app_day_parse("someday", &day));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_parse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
