/*
 * mime_header: what a header block could mean to any reader.
 *
 * header_survey() takes the start of an entity. It does not parse fields strictly: a reader may
 * take a folded line for a field of its own, skip comments or not, accept a blank before the colon,
 * or end the header at a line that is not one. So encodings and kinds are found as words anywhere
 * in the block, comments out and in; and each place where a reader could begin the body is listed.
 *
 * Limits: HEADER_BODIES_MAX bodies; MIME_NAMES_MAX names; what is beyond is left out (the first
 * ones are those that readers use). A block longer than the limit given that shows no end is
 * `endless`.
 */
#pragma once

#include "lib/mime.h"

#define HEADER_BODIES_MAX 6

#define HEADER_BASE64 0x01u
#define HEADER_QP 0x02u
#define HEADER_UU 0x04u
#define HEADER_YENC 0x08u
#define HEADER_BINHEX 0x10u
#define HEADER_MULTIPART 0x20u
#define HEADER_PARTIAL 0x40u
#define HEADER_MESSAGE 0x80u

struct mime_header {
	struct span block; /* up to the last place where it may end */
	unsigned words;    /* HEADER_* */
	bool any;          /* the first line is a field */
	bool endless;
	bool has_nul;
	bool doubt; /* it is multipart, and not every reader takes the same boundary from it */
	struct {
		struct span text;
		bool certain; /* after an empty line; else only some readers begin here */
	} bodies[HEADER_BODIES_MAX];
	unsigned body_count;
	char type[MIME_TYPE_BYTES];
	char names[MIME_NAMES_MAX][MIME_NAME_BYTES];
	unsigned name_count;
};

/* scratch: limit_bytes + 1 bytes for the work, the caller's. */
void header_survey(struct span entity, size_t limit_bytes, char *scratch, struct mime_header *ret);
/* "name:" with letters that a field name may have, whatever blanks are around. */
bool header_is_field(struct span line);
/* Whether a text that nobody declared to be a message looks like one. */
bool header_is_message(struct span text);
