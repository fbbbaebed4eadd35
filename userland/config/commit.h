/*
 * commit: takes the box from one configuration to the next, or leaves it where it was.
 *
 * prepare (nothing changes) -> startup is written -> apply, in the order of appliers.def. A failed
 * apply is undone: the appliers that already applied apply the old configuration again and the old
 * startup comes back.
 */
#pragma once

#include "config/store.h"

/* 1 when something changed, 0 when the two are the same, -errno with *f: why is the applier's. */
int commit_run(const struct snapshot *old, const struct snapshot *new, struct fault *f);
/* Only the dry run. */
int commit_check(const struct snapshot *old, const struct snapshot *new, struct fault *f);
/* At start: applies everything; what fails is logged and the rest goes on. */
void commit_start(const struct snapshot *snapshot);
