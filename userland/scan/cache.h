/*
 * cache: verdicts of parts that this worker has scanned, by the SHA-256 of their bytes.
 *
 * The same logo, disclaimer and newsletter come again and again. A worker keeps its verdicts to
 * itself: in memory shared by all of them, one worker that an attachment has taken over could call
 * any file clean for the others (ADR 0013). A worker lives with one database, so the database is
 * part of the key without being written down. Only what was read to its end is kept: clean or
 * infected.
 *
 * Limits: CACHE_ENTRIES; the entry unused for longest goes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "scan/engine.h"

#define CACHE_ENTRIES 2048
#define CACHE_KEY_BYTES 32

struct cache;

struct cache *cache_new(void);
void cache_free(struct cache *c);
/* NULL when it is not known. Valid until the next cache_put(). */
const struct scan_verdict *cache_get(struct cache *c, const uint8_t key[CACHE_KEY_BYTES]);
void cache_put(
	struct cache *c, const uint8_t key[CACHE_KEY_BYTES], const struct scan_verdict *verdict);
