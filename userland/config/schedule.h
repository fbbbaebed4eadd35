/*
 * schedule: hours of the week. Pure: a `zones schedule` entry and a local time in, yes or no out.
 *
 * It begins at `from` on each of its days and ends at `to`, on the next day when that is not later.
 * No days: every day. configd looks once a minute and loads the policies again when an answer has
 * changed.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-json.h>
#include <time.h>

bool schedule_is_active(sd_json_variant *schedule, const struct tm *now);
