/*
 * retention: how long and how many events of a daemon are kept.
 *
 * Settings are `logging local` (megabytes, days), read from the rendered configuration when a log
 * is opened and once an hour from then on: no daemon need be told. A log is eve.json and up to
 * RETENTION_FILES - 1 older files; the megabytes are shared out evenly among them. A file goes when
 * its first event is too old, so nothing is kept longer than was said; that takes with it what came
 * up to a RETENTION_FILES-th of the time later, since a new file is begun so often.
 *
 * Limits: what a broken or missing setting falls back to is RETENTION_MEGABYTES, RETENTION_DAYS.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define RETENTION_FILES 4
#define RETENTION_MEGABYTES 64
#define RETENTION_DAYS 365
#define RETENTION_CHECK_S 3600

struct retention {
	uint64_t file_bytes;
	time_t keep_s;
};

void retention_load(struct retention *ret);
/* When the first event of an EVE file happened; now when that cannot be read. */
time_t retention_begin(const char *path, time_t now);
/* Time for a new file, one that began then? */
bool retention_is_over(const struct retention *r, time_t begin, time_t now);
/* Removes what is too old of the folder's older files. */
void retention_apply(const struct retention *r, const char *folder, time_t now);
