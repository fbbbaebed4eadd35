/*
 * body: hashes the canonical body of a message for its DKIM and ARC signatures, in one pass (RFC
 * 6376, sections 3.4.3, 3.4.4 and 3.7).
 *
 * Story: body_want() notes a form, a hash and perhaps a length; body_step() reads on through the
 * message, as many bytes as the caller has time for; when it says that all is read, body_digest()
 * and body_length() give the results. Each form is made once and each hash of it computed once: a
 * length is a copy of the hash on its way.
 *
 * A line ends with CRLF; a CR or LF alone is content.
 *
 * Limits: BODY_WANTS_MAX results.
 */
#pragma once

#include "mailauth/canon.h"

#define BODY_WANTS_MAX 16
#define BODY_WHOLE UINT64_MAX

struct body;

/* NULL: out of memory. The bytes must outlive it. */
struct body *body_new(struct span bytes);
void body_free(struct body *b);
/* limit: l=, or BODY_WHOLE. The number of the result, -1 when there are too many. */
int body_want(struct body *b, enum canon form, enum digest_kind kind, uint64_t limit);
/* Reads about so many bytes of the message. True: nothing is left to do. */
bool body_step(struct body *b, size_t bytes);
/* Empty when limit is more than the body has. */
struct span body_digest(const struct body *b, int want);
/* Of a form that is wanted. */
uint64_t body_length(const struct body *b, enum canon form);
/* Did limit leave a part of the body out? */
bool body_is_partial(const struct body *b, int want);
