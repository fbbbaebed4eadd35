/*
 * quota: how many sessions one source has, and how fast it opens them. Pure but for memory.
 *
 * A source is an IPv4 address or an IPv6 /64, which is what one customer holds. Each session that
 * begins is counted by quota_enter() and leaves with quota_leave(). The rate is a count per minute
 * that starts again with each minute.
 *
 * Limits: QUOTA_SOURCES at once. A source beyond that is let in and counted as `untracked`: a table
 * that is full must not lock out those who are not in it, and the total of sessions still holds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define QUOTA_SOURCES 16384
#define QUOTA_MINUTE_US 60000000ull

enum quota_verdict { QUOTA_ENTER, QUOTA_TOO_MANY, QUOTA_TOO_FAST };

struct quota_source;

struct quota {
	struct quota_source *buckets[1024];
	unsigned sources;
	uint64_t swept_us;
	uint64_t untracked;
};

/* 0 of either limit is none. *ret is what quota_leave() wants; NULL when untracked. */
enum quota_verdict quota_enter(struct quota *q, const char *ip, uint64_t now_us,
	unsigned sessions_max, unsigned rate_max, struct quota_source **ret);
void quota_leave(struct quota_source *source);
void quota_free(struct quota *q);
