/*
 * trial: the engine that will use a delivery loads it, in a process of its own, before it is
 * installed.
 *
 * inspectd and scand are run with -T from the folder of our own program (SEKISHO_BIN moves it in
 * tests) and say on their last line how much they loaded.
 *
 * Limits: TRIAL_TIME_S of time and of CPU; beyond, the engine is killed and the delivery refused.
 * Refuses: a delivery of which the engine loads nothing, or on which it dies.
 */
#pragma once

#include <stdint.h>

#include "lib/span.h"
#include "update/type.h"

#define TRIAL_TIME_S 300

struct trial_result {
	uint64_t count;
	uint64_t peak_kb; /* most memory that the engine had */
};

/* dir holds the files, out is a file for the engine's output. 0, or an error with *ret_why (heap):
 * -ENODATA when nothing is wrong but that there is nothing in it. */
int trial_run(const struct signature_type *type, const char *dir, const char *out,
	struct trial_result *ret, char **ret_why);
/* The number on the last line of an engine's output; false when it is not there. */
bool trial_count(const struct signature_type *type, struct span output, uint64_t *ret);
