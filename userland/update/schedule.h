/*
 * schedule: when a source is tried next.
 *
 * A try follows the last by the interval, moved by up to a tenth so that many boxes do not come at
 * once; after failures sooner: SOURCE_RETRY_S, doubled each time, up to the interval. A server that
 * asks for time (Retry-After) gets it. When there are maintenance windows the try waits for one,
 * and then for a random part of its first SCHEDULE_SPREAD_S.
 */
#pragma once

#include "update/source.h"
#include "update/window.h"

#define SOURCE_RETRY_S 60
#define SOURCE_FIRST_S 10 /* after the start, at least: the network may still be coming up */
#define SCHEDULE_SPREAD_S 1800

/* The present: seconds since 1970, and the minute of the week, local time. */
struct moment {
	uint64_t now;
	unsigned week_min;
};

struct moment moment_now(void);
/* Seconds from now to the next try; random is any number. */
uint64_t schedule_delay_s(
	const struct source *s, const struct windows *w, const struct moment *m, uint32_t random);
