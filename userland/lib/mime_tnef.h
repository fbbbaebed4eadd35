/*
 * mime_tnef: the attachments in a winmail.dat (MS-OXTNEF, section 2.1).
 *
 * A stream of attributes: level, id, length, data, checksum. Of these the title and the data of
 * each attachment are given. Checksums are not compared: readers do not all do so.
 *
 * Refuses: what is cut off is given up to its end. Limits: TNEF_ATTRIBUTES_MAX, then the rest is
 * ignored and false returned.
 */
#pragma once

#include "lib/span.h"

#define TNEF_ATTRIBUTES_MAX 65536

struct tnef_file {
	struct span title; /* as it stands, often with a NUL at its end; may be empty */
	struct span data;
};

bool tnef_is(struct span text);
/* Calls on_file for each; not 0 ends. False when there were too many attributes. */
bool tnef_read(struct span text, int (*on_file)(void *ctx, const struct tnef_file *f), void *ctx);
