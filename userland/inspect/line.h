/*
 * line: cuts what a stream delivers into lines, for the protocols that speak in lines.
 *
 * A line that lies whole in the data is given without a copy; else its pieces are put together.
 *
 * Limits: LINE_BYTES a line; of a longer one the beginning is given, with `cut` set, and the rest
 * is left out up to its end.
 */
#pragma once

#include "lib/span.h"

#define LINE_BYTES 8192

struct line_buffer {
	uint8_t *bytes;
	uint16_t n, room;
	bool skipping; /* the rest of a line that was too long */
};

struct line {
	struct span text; /* without the line end */
	bool cut;
	bool bare; /* ended by LF alone */
};

/* Takes the next line off *data. False: no whole line is there, all of *data is kept. */
bool line_next(struct line_buffer *b, struct span *data, struct line *ret);
void line_fini(struct line_buffer *b);
