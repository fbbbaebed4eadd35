/*
 * generation: rules and settings as one immutable thing that is swapped by pointer.
 *
 * A load makes a new generation while packets go on under the old one; generation_publish() puts it
 * in place. Each engine looks between two batches whether the published one is another than its
 * own, and if so changes over; the old generation dies with its last engine. Nothing is ever
 * changed in place.
 *
 * Rule files are given as glob patterns. A pattern without any match is no error: no rules is a
 * state the appliance can be in. A file that cannot be opened is.
 */
#pragma once

#include "inspect/rule.h"
#include "inspect/settings.h"

struct generation {
	unsigned refs;
	unsigned serial; /* 1, 2, ...: which load it was */
	struct ruleset *rules;
	struct rule_load_stats stats;
	struct settings settings;
	struct domain_lists *domains; /* NULL: none */
	bool ips;                     /* drops are real */
};

/* Takes over what settings owns, also on failure. refused may be NULL. */
int generation_new(struct settings *settings, const char *const *patterns, size_t n,
	const char *cache_dir, bool ips, rule_refused_fn *refused, void *ctx,
	struct generation **ret);
struct generation *generation_get(struct generation *g);
void generation_put(struct generation *g);
/* The caller's reference is the only one left. */
bool generation_is_last(const struct generation *g);

/* Where engines find the current one. */
struct publication;

int publication_new(struct publication **ret);
void publication_free(struct publication *p);
/* What rules remember of hosts: one for all engines and generations. */
struct detect_memory *publication_memory(struct publication *p);
/* Takes over the caller's reference. */
void generation_publish(struct publication *p, struct generation *g);
/* The published one when it is not `mine`, with a reference; else NULL. Cheap when nothing changed.
 */
struct generation *publication_newer(struct publication *p, const struct generation *mine);
