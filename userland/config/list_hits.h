/*
 * list_hits: who has met a listed address: the counters and pairs that the kernel keeps
 * (list_table.h), as events and as a report.
 *
 * Once a minute the pairs are compared with those of a minute ago; a pair leaves the kernel an hour
 * after its last packet, so that one that goes on is told once.
 *
 * Limits: LIST_HITS_MAX pairs a list, direction and family; LIST_HITS_EVENTS events a minute, more
 * are told in the next.
 */
#pragma once

#include <stdint.h>

#include "config/list_table.h"
#include "lib/eve.h"

#define LIST_HITS_EVENTS 256

struct list_hits {
	uint64_t *told; /* hashes, sorted */
	size_t n;
	uint64_t packets; /* of all counters, when they were looked at */
};

/* eve NULL: what is there counts as told. */
void list_hits_tell(
	struct list_hits *h, const struct list *lists, size_t n, bool routed, struct eve *eve);
/* kernel: `list table`, terse. */
int list_hits_report(const struct list *l, sd_json_variant *kernel, bool routed, bool with_pairs,
	sd_json_variant **ret);
