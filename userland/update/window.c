#include "update/window.h"

#include <string.h>

#include "lib/span.h"

bool window_time_parse(const char *text, unsigned *ret_min)
{
	struct span s = span_str(text);
	uint64_t hour, minute;

	if (s.n != 5 || s.p[2] != ':' || !span_u64(span_take(s, 2), 23, &hour) ||
		!span_u64(span_skip(s, 3), 59, &minute))
		return false;
	*ret_min = (unsigned)(hour * 60 + minute);
	return true;
}

int window_day_parse(const char *name)
{
	static const char *const names[] = {
		"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};

	for (int i = 0; i < 7; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

static bool window_is_open(const struct window *w, unsigned week_min)
{
	unsigned day = week_min / DAY_MIN, minute = week_min % DAY_MIN;
	bool today = w->days >> day & 1, yesterday = w->days >> (day + 6) % 7 & 1;

	if (w->from_min < w->to_min)
		return today && minute >= w->from_min && minute < w->to_min;
	return (today && minute >= w->from_min) || (yesterday && minute < w->to_min);
}

static bool windows_is_open(const struct windows *w, unsigned week_min)
{
	for (unsigned i = 0; i < w->n; i++)
		if (window_is_open(&w->item[i], week_min % WEEK_MIN))
			return true;
	return w->n == 0;
}

unsigned windows_wait_min(const struct windows *w, unsigned week_min)
{
	unsigned i = 0;

	while (i < WEEK_MIN && !windows_is_open(w, week_min + i))
		i++;
	return i;
}

unsigned windows_left_min(const struct windows *w, unsigned week_min, unsigned max)
{
	unsigned i = 0;

	while (i < max && windows_is_open(w, week_min + i))
		i++;
	return i;
}
