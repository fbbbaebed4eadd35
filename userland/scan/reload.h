/*
 * reload: from the present keeper to the next one.
 *
 * Hand-over: the new keeper loads beside the old one, which serves all the while; when the new
 * one has reported, the old one is told to go. Serially, for boxes whose memory holds one
 * engine only: the old one goes first, and until the new one reports every call is answered
 * Reloading at once, which defers the mail; when the new one fails, the database before is loaded
 * again. Automatic: hand-over when the memory at hand allows it.
 *
 * reload_run() returns when it is decided; meanwhile the workers serve but this process shows no
 * status.
 *
 * Limits: RELOAD_S for a database to load; later counts as failed.
 */
#pragma once

#include "scan/keeper.h"

#define RELOAD_S 280 /* updated waits 300 s for the answer */

struct reload_outcome {
	enum reload_mode mode; /* handover or serial */
	bool good;
	uint64_t took_ms;
	uint64_t gap_ms;   /* nothing was scanned for that long */
	uint64_t deferred; /* calls answered Reloading */
};

/* What the present keeper's engine occupies decides in mode auto. */
enum reload_mode reload_choose(enum reload_mode setting, uint64_t engine_bytes);
/* *k is the present keeper before and the serving one after, or without a process when none could
 * be started. -errno with *ret_why (heap) when the new plan is not in force. */
int reload_run(struct keeper *k, const struct keeper_plan *plan, enum reload_mode mode,
	struct reload_outcome *ret, char **ret_why);
