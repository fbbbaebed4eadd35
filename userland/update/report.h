/*
 * report: what the sources' tries and ages look like to the administrator: events and warnings.
 *
 * fetch.h has the form of the events. A source is stale when it has not been found fresh
 * (installed, or the server said that we have it) for the settings' warn-age.
 */
#pragma once

#include "lib/eve.h"
#include "update/attempt.h"

/* The steps that were passed, and then the one at which the try ended. */
void report_attempt(struct eve *e, const struct source *s, const struct attempt_result *r);
/* An event for each source that has become stale, or is still a day after the last one. */
void report_ages(struct eve *e, struct settings *settings, uint64_t now);
/* An array of sentences. */
int report_warnings(const struct settings *settings, uint64_t now, sd_json_variant **ret);
