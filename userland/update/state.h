/*
 * state: what happened to the sources, kept over a restart in update/state.json, and what Status
 * shows of them.
 *
 * Nothing in the file is trusted more than a hint: a damaged or missing one means that nothing has
 * happened yet, and the next try finds out.
 *
 * Limits: STATE_BYTES of file.
 */
#pragma once

#include "update/source.h"

#define STATE_BYTES (1u << 20)

/* Fields of one source: empty texts and zeroes that say nothing are left out. warn_age_s: older is
 * stale. */
int state_report(const struct source *s, uint64_t now, uint64_t warn_age_s, sd_json_variant **ret);
/* Since when nothing has been heard that would make it fresh, in seconds; 0 when the clock is
 * behind that moment. */
uint64_t state_age_s(const struct source *s, uint64_t now);
int state_save(const struct source_list *l, const char *path);
void state_restore(struct source_list *l, const char *path);
