#include "unit.h"

#include "update/schedule.h"

static void test_delay(void **state)
{
	static const struct {
		unsigned interval_min;
		uint64_t failures, last_try, now;
		uint32_t random;
		uint64_t want;
	} rows[] = {
		{60, 0, 0, 1000000, 0, SOURCE_FIRST_S},       /* never tried */
		{60, 0, 1000000, 1000000, 0, 3240},           /* nine tenths */
		{60, 0, 1000000, 1000000, 720, 3960},         /* eleven tenths */
		{60, 0, 1000000, 1001000, 0, 2240},           /* part of it has passed */
		{60, 0, 1000000, 2000000, 0, SOURCE_FIRST_S}, /* overdue */
		{60, 0, 2000000, 1000000, 0, 3240},           /* the clock was set back */
		{60, 1, 1000000, 1000000, 0, 54},             /* after a failure */
		{60, 3, 1000000, 1000000, 0, 216},
		{60, 100, 1000000, 1000000, 0, 3240}, /* never later than the interval */
		{1, 5, 1000000, 1000000, 0, 54},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct source s = {.interval_min = rows[i].interval_min,
			.failures = rows[i].failures,
			.last_try = rows[i].last_try};
		const struct windows none = {0};
		const struct moment m = {.now = rows[i].now};
		uint64_t got = schedule_delay_s(&s, &none, &m, rows[i].random);
		if (got != rows[i].want)
			fail_msg("row %zu: %llu", i, (unsigned long long)got);
	}
}

static void test_server_asks(void **state)
{
	static const struct {
		uint64_t retry_at, want;
	} rows[] = {
		{0, 54},
		{1000030, 54}, /* sooner than we would come anyway */
		{1007200, 7200},
		{1021600, 21600},
		{1021601, 54}, /* later than is believed: the clock was set back */
		{999000, 54},
	};
	const struct windows none = {0};
	const struct moment m = {.now = 1000000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct source s = {.interval_min = 60,
			.failures = 1,
			.last_try = 1000000,
			.retry_at = rows[i].retry_at};
		uint64_t got = schedule_delay_s(&s, &none, &m, 0);
		if (got != rows[i].want)
			fail_msg("row %zu: %llu", i, (unsigned long long)got);
	}
}

#define AT(day, hour, minute) ((day) * DAY_MIN + (hour) * 60 + (minute))

static void test_windows(void **state)
{
	static const struct windows night = {.n = 2,
		.item = {{.days = 1 << 0, .from_min = 22 * 60, .to_min = 2 * 60},
			{.days = 1 << 5, .from_min = 3 * 60, .to_min = 3 * 60 + 10}}};
	static const struct {
		unsigned at, wait, left;
	} rows[] = {
		{AT(0, 21, 0), 60, 0},
		{AT(0, 22, 0), 0, 30},
		{AT(1, 1, 50), 0, 10}, /* past midnight it is still Monday's */
		{AT(1, 2, 0), AT(5, 3, 0) - AT(1, 2, 0), 0},
		{AT(5, 3, 5), 0, 5},
		{AT(5, 3, 10), AT(7, 22, 0) - AT(5, 3, 10), 0},
		{AT(6, 23, 59), 22 * 60 + 1, 0},
	};
	static const struct windows none;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned wait = windows_wait_min(&night, rows[i].at);
		unsigned left = windows_left_min(&night, rows[i].at, 30);
		if (wait != rows[i].wait || left != rows[i].left)
			fail_msg("row %zu: %u %u", i, wait, left);
	}
	assert_int_equal(windows_wait_min(&none, 77), 0);
}

static void test_window_delay(void **state)
{
	static const struct windows w = {
		.n = 1, .item = {{.days = 127, .from_min = 120, .to_min = 180}}};
	struct source s = {.interval_min = 60, .last_try = 1000000};
	struct moment m = {.now = 1000000, .week_min = AT(2, 0, 0)};

	(void)state;
	/* The interval (54 minutes of 60) ends at 00:54: 66 minutes until two o'clock. */
	assert_int_equal(schedule_delay_s(&s, &w, &m, 0), 3240 + 66 * 60);
	/* Then a random part of half an hour. */
	assert_int_equal(schedule_delay_s(&s, &w, &m, 1801 * 721) % 60, 0);
	m.week_min = AT(2, 1, 30);
	assert_int_equal(schedule_delay_s(&s, &w, &m, 0), 3240);
	s.due = true;
	m.week_min = AT(2, 2, 30);
	assert_int_equal(schedule_delay_s(&s, &w, &m, 0), SOURCE_FIRST_S);
}

static void test_texts(void **state)
{
	static const struct {
		const char *text;
		int want;
	} rows[] = {{"00:00", 0}, {"23:59", 1439}, {"24:00", -1}, {"12:60", -1}, {"1:00", -1},
		{"", -1}, {"ab:cd", -1}, {"12-30", -1}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned got = 0;
		bool ok = window_time_parse(rows[i].text, &got);
		if ((ok ? (int)got : -1) != rows[i].want)
			fail_msg("%s", rows[i].text);
	}
	assert_int_equal(window_day_parse("monday"), 0);
	assert_int_equal(window_day_parse("sunday"), 6);
	assert_int_equal(window_day_parse("Sunday"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_server_asks),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_window_delay),
		cmocka_unit_test(test_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
