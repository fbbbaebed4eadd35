/*
 * trial: the engine that will use a delivery loads it, in a process of its own, before it is
 * installed.
 *
 * inspectd and scand are run with -T from the folder of our own program (SEKISHO_BIN moves it in
 * tests) and say on their last line how much they loaded.
 *
 * The engine may have the memory that is available but TRIAL_SPARE_BYTES, and is the first to go
 * should it run out all the same: what serves is not to be killed for a trial. Where it needs
 * nearly all of that and fails, the trial was cut short, as it is without TRIAL_ROOM_MIN to begin
 * with. For a type that is `tried_again` the delivery goes on then: scand lets go of the old
 * database, loads the new one, looks for the EICAR file with it, and goes back to the old one by
 * itself. libclamav checks the signature of a .cvd before it loads anything of it, so that a wrong
 * one is mostly found here all the same, and there in any case.
 *
 * Limits: TRIAL_TIME_S of time and of CPU; beyond, the engine is killed and the delivery refused.
 * Refuses: a delivery of which the engine loads nothing, or on which it dies.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/span.h"
#include "update/type.h"

#define TRIAL_TIME_S 300
#define TRIAL_SPARE_BYTES (128ull << 20) /* for what else goes on meanwhile */
#define TRIAL_ROOM_MIN (64ull << 20)

struct trial_result {
	uint64_t count;
	uint64_t peak_kb; /* most memory that the engine had */
	bool cut_short;   /* by want of memory; count is not known */
};

/* dir holds the files, out is a file for the engine's output. 0, or an error with *ret_why (heap):
 * -ENODATA when nothing is wrong but that there is nothing in it. */
int trial_run(const struct signature_type *type, const char *dir, const char *out,
	struct trial_result *ret, char **ret_why);
/* The number on the last line of an engine's output; false when it is not there. */
bool trial_count(const struct signature_type *type, struct span output, uint64_t *ret);
