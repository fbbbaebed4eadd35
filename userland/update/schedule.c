#include "update/schedule.h"

#include <time.h>

struct moment moment_now(void)
{
	time_t now = time(NULL);
	struct tm tm = {0};

	localtime_r(&now, &tm);
	return (struct moment){.now = (uint64_t)now,
		/* tm_wday counts from Sunday */
		.week_min =
			(unsigned)((tm.tm_wday + 6) % 7 * DAY_MIN + tm.tm_hour * 60 + tm.tm_min)};
}

static uint64_t wait_s(const struct source *s, uint32_t random)
{
	uint64_t interval = (uint64_t)s->interval_min * 60, wait = interval;

	if (s->failures > 0) {
		unsigned doubled = s->failures > 16 ? 16 : (unsigned)s->failures - 1;
		uint64_t retry = (uint64_t)SOURCE_RETRY_S << doubled;
		wait = retry < interval ? retry : interval;
	}
	/* Nine to eleven tenths. */
	return wait * 9 / 10 + random % (wait / 5 + 1);
}

uint64_t schedule_delay_s(
	const struct source *s, const struct windows *w, const struct moment *m, uint32_t random)
{
	uint64_t wait = wait_s(s, random);
	/* A clock that was set back must not hold up a try for longer than that. */
	uint64_t gone = s->last_try && s->last_try <= m->now ? m->now - s->last_try : 0;
	uint64_t left = s->last_try && wait > gone ? wait - gone : 0;

	/* Nor one that was set back after the server had asked for time: download.h has the cap. */
	if (s->retry_at > m->now + left && s->retry_at - m->now <= DOWNLOAD_RETRY_MAX_S)
		left = s->retry_at - m->now;
	if (left < SOURCE_FIRST_S || s->due)
		left = SOURCE_FIRST_S;
	unsigned then = (unsigned)((m->week_min + left / 60) % WEEK_MIN);
	unsigned closed = windows_wait_min(w, then);
	if (closed == 0)
		return left;
	uint64_t open = windows_left_min(w, then + closed, SCHEDULE_SPREAD_S / 60);
	return left + closed * 60ull + random % (open * 60 + 1);
}
