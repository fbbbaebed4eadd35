/*
 * multipart: the parts of a multipart/form-data body (RFC 7578) in the bytes there are of it.
 *
 * A pure function over a buffer: multipart_next() gives part after part. A part is `whole` when the
 * boundary after it has been seen; the last one may still grow.
 *
 * Refuses: a part whose header lines do not end is not given.
 */
#pragma once

#include "lib/span.h"

struct multipart {
	struct span name; /* filename of Content-Disposition; p == NULL: not a file */
	struct span data;
	bool whole;
};

/* The boundary in a Content-Type value; n == 0: none. */
struct span multipart_boundary(struct span content_type);
/* *at is 0 at first; false: no further part. */
bool multipart_next(struct span body, struct span boundary, size_t *at, struct multipart *ret);
/* filename="x" or filename=x (RFC 6266, section 4.1), or an empty span. */
struct span disposition_name(struct span value);
