/*
 * detect_memory: what rules remember beyond one flow: thresholds and detection filters, xbits,
 * hostbits. One for all threads, because the flows of one host come to several queues.
 *
 * A rule that has otherwise matched and has such an option asks here; no other packet does. The
 * lock is held for one look into one bucket.
 *
 * Limits: MEMORY_ENTRIES, allocated once; a bucket has MEMORY_WAYS places. When all are taken the
 * one that ends first makes room, and `evicted` counts: a threshold then starts anew, a bit is
 * forgotten. The hash has a random seed, so nobody can aim at a bucket.
 */
#pragma once

#include "inspect/detect.h"

#define MEMORY_ENTRIES 32768
#define MEMORY_WAYS 8
#define MEMORY_PORTS 128

enum memory_kind { MEMORY_THRESHOLD = 1, MEMORY_HOSTBIT, MEMORY_XBIT, MEMORY_RATE };

/* Whom an entry is about: addresses that do not count are left zero. */
struct memory_key {
	uint8_t kind;
	uint32_t id; /* sid, or the bit's name */
	uint32_t gid;
	struct detect_addr a, b;
};

struct memory_value {
	uint64_t since_us, until_us;
	uint32_t count, next;
	uint16_t ports_n; /* distinct ports seen, for unique_on; beyond MEMORY_PORTS each counts */
	uint16_t ports[MEMORY_PORTS];
};

struct detect_memory;

int detect_memory_new(struct detect_memory **ret);
void detect_memory_free(struct detect_memory *m);

/* The value of the key under the lock until detect_memory_leave(); NULL when there is none that is
 * still valid and `make` is false. A new one is zero. */
struct memory_value *detect_memory_enter(
	struct detect_memory *m, const struct memory_key *key, uint64_t now_us, bool make);
void detect_memory_leave(struct detect_memory *m);
/* The value just entered ends. */
void detect_memory_forget(struct memory_value *v);
uint64_t detect_memory_evicted(struct detect_memory *m);
