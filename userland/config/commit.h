/*
 * commit: takes the box from one configuration to the next, or leaves it where it was.
 *
 * prepare (nothing changes) -> the pending commit is written and synced -> apply, in the order of
 * appliers.def -> probe: does what was touched still answer -> the pending commit becomes the
 * startup configuration. A failed apply or probe is undone: the appliers that applied apply the old
 * configuration again and the pending commit goes. With a deadline in the record the last step
 * waits for commit_confirm().
 */
#pragma once

#include "config/store.h"

/* 0, or -errno with *f: why is the applier's. */
int commit_run(const struct snapshot *old, const struct snapshot *new, const struct record *r,
	struct fault *f);
/* Only the dry run. */
int commit_check(const struct snapshot *old, const struct snapshot *new, struct fault *f);
/* The pending commit stays. */
int commit_confirm(const struct record *r, struct fault *f);
/* The pending commit goes, and the box from now back to base. */
void commit_revert(const struct snapshot *now, const struct snapshot *base);
/* At start: applies everything; what fails is logged and the rest goes on. */
void commit_start(const struct snapshot *snapshot);
