/*
 * reload: from the present keeper to the next one.
 *
 * Hand-over: the new keeper loads beside the old one, which serves all the while; when the new
 * one has reported, the old one is told to go. Serially, for boxes whose memory holds one
 * engine only: the old one goes first, and until the new one reports every call is answered
 * Reloading at once, which defers the mail; when the new one fails, the database before is loaded
 * again. Automatic: hand-over when the memory at hand (lib/memory.h) is more than what the present
 * engine needed at most while it loaded, an eighth of it and RELOAD_SPARE_BYTES.
 *
 * reload_start() returns at once; all goes on in the event loop, so that status is shown meanwhile,
 * and `done` is called when it is decided.
 *
 * Limits: RELOAD_S for a database to load; later counts as failed.
 */
#pragma once

#include "scan/keeper.h"

#define RELOAD_S 280 /* updated waits 300 s for the answer */
#define RELOAD_SPARE_BYTES (256ull << 20)

struct reload_outcome {
	enum reload_mode mode; /* handover or serial; auto: there was none yet */
	bool good;
	uint64_t took_ms;
	uint64_t gap_ms;   /* nothing was scanned for that long */
	uint64_t deferred; /* calls answered Reloading */
};

struct reload;

/* r: 0, or -errno with why when the new plan is not in force. */
typedef void reload_done_fn(void *ctx, const struct reload_outcome *o, int r, const char *why);

enum reload_mode reload_choose(enum reload_mode setting, uint64_t peak_bytes);
/* *k is the present keeper before and the serving one after, or without a process when none could
 * be started. Its owner leaves it alone meanwhile. -errno when nothing has begun: done is not
 * called. */
int reload_start(sd_event *event, struct keeper *k, const struct keeper_plan *plan,
	enum reload_mode mode, reload_done_fn *done, void *ctx, struct reload **ret);
/* Ends it where it is, before done was called. NULL is allowed. */
void reload_cancel(struct reload *r);
