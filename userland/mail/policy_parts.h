/*
 * policy_parts: the names and types that the headers of a message's parts declare, for rules about
 * attachments. Pure.
 *
 * It does not open anything: it looks at every place where a part's header may stand, after each
 * line that begins with two hyphens, and in the message's own header, as lib/mime_header.h does it.
 * What is in an archive or encoded once more is the scanner's to see (its facts).
 *
 * Limits: PARTS_TEXTS names and types, PARTS_BLOCKS places, PARTS_HEADER_BYTES of each; with more
 * `full` is set, and a rule that asks for names takes the message for one that has them.
 */
#pragma once

#include "lib/mime.h"
#include "lib/span.h"

#define PARTS_TEXTS 64
#define PARTS_BLOCKS 256
#define PARTS_HEADER_BYTES 16384

enum part_text { PART_NAME, PART_TYPE };

struct parts {
	struct {
		enum part_text kind;
		char text[MIME_NAME_BYTES];
	} texts[PARTS_TEXTS];
	unsigned count;
	bool full;
};

void parts_read(struct parts *p, struct span message);
