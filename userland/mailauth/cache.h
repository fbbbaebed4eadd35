/*
 * cache: DNS answers that are still good, in front of libunbound.
 *
 * libunbound has a cache of its own, but lives in a thread: each question costs two wake-ups.
 * The mail of one sender asks the same dozen names again and again; those are answered here.
 *
 * Limits: CACHE_BYTES of answers, the one that was used longest ago makes room; an answer is kept
 * for its TTL, at most CACHE_TTL_MAX_S, one that says "no such thing" at most CACHE_NEGATIVE_TTL_S,
 * and a failure CACHE_FAILURE_TTL_S: a broken server is not asked by every mail, and nobody waits
 * long for one that was mended.
 */
#pragma once

#include "mailauth/dns.h"

#define CACHE_BYTES (3u << 20)
#define CACHE_TTL_MAX_S 3600
#define CACHE_NEGATIVE_TTL_S 60
#define CACHE_FAILURE_TTL_S 5

struct cache;

/* NULL: out of memory. */
struct cache *cache_new(void);
void cache_free(struct cache *c);
/* Fills in an open answer. False: not known. now: seconds of any clock that does not jump. */
bool cache_get(struct cache *c, struct dns_answer *a, int64_t now);
/* Keeps a copy of an answer that has ended; nothing happens when there is no memory. */
void cache_put(struct cache *c, const struct dns_answer *a, int64_t ttl_s, int64_t now);
