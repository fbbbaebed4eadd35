/*
 * window: when a scheduled update may happen: the local times of the week that the administrator
 * allows.
 *
 * Times are minutes of the week, from Monday 00:00, local time. A window that does not close after
 * it opens closes on the next day. Nobody's clock jumps in here: a caller gives the present minute.
 */
#pragma once

#include <stdbool.h>

#define WEEK_MIN 10080
#define DAY_MIN 1440
#define WINDOWS_MAX 16

struct window {
	unsigned days; /* bit 0: Monday */
	unsigned from_min, to_min;
};

struct windows {
	struct window item[WINDOWS_MAX];
	unsigned n; /* 0: always open */
};

/* "HH:MM" */
bool window_time_parse(const char *text, unsigned *ret_min);
/* "monday" is 0; -1 when it is no day. */
int window_day_parse(const char *name);
/* Minutes from week_min until one is open: 0 when one is, or when there is none. */
unsigned windows_wait_min(const struct windows *w, unsigned week_min);
/* Minutes from week_min, when one is open, until none is; at most max. */
unsigned windows_left_min(const struct windows *w, unsigned week_min, unsigned max);
