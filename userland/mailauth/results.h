/*
 * results: reads Authentication-Results fields that came in with a message (RFC 8601), and their
 * copies in ARC sets (RFC 8617, section 4.1.1).
 *
 * A receiver trusts a field that carries our authserv-id. So every field of that name is to be left
 * out that any reader could take for ours, however it is spelled: letter case, comments, folding,
 * quotes, encoded words, letters of other scripts that mean the same, a version, a name cut by
 * blanks or followed by characters that no name has. A field whose authserv-id cannot be read goes
 * as well, and so does a line that names the field and forgets the colon.
 *
 * Limits: fields of RESULTS_BYTES_MAX for what a sealer says, longer ones say nothing.
 */
#pragma once

#include "mailauth/message.h"

#define RESULTS_BYTES_MAX 16384

struct range {
	size_t offset;
	size_t length;
};

/* The whole fields to leave out, in order. ret has room for all fields of the message. */
unsigned results_find_forged(const struct message *m, const char *id, struct range *ret);

/* The digits of "i=2;" in front, and what follows; empty when it is not there. ret_rest may be
 * NULL. */
struct span results_instance(struct span value, struct span *ret_rest);
/* Do these results say that DMARC passed for this Author Domain? */
bool results_pass_dmarc(struct span value, const char *author);
