/*
 * verifier: libopendkim, which verifies the DKIM signatures of a message (RFC 6376).
 *
 * Story: verifier_new() gives the library the header, with those signatures that the guard
 * (signature.h) has accepted. When the keys are there, verifier_set_key() hands each signature its
 * record and verifier_judge() says what the library found: has the key signed this header, bh= in
 * it? Whether bh= is the body's is dkim.c's to ask: body.h reads it once for all signatures, where
 * the library would make each form byte by byte. It sees neither DNS nor a clock.
 *
 * With a signature that has l= the library insists on a body as long: verifier_read() feeds it
 * then, as many bytes as the caller has time for.
 *
 * The library's own limits of key size and time are set out of the way: dkim.c judges both after
 * the arithmetic. Its settings are made once and serve all messages of the process.
 *
 * Limits: VERIFIER_SIGNATURES_MAX signatures. The library copies the header, not the body.
 *
 * Refuses: a signature whose h= names a field that the library was not given (a field with a NUL
 * byte, a signature that was refused): it would take a field that is there for one that is not. A
 * signature without a key is never looked at.
 */
#pragma once

#include "mailauth/signature.h"

#define VERIFIER_SIGNATURES_MAX 8

struct verifier;

/* NULL: the library cannot (out of memory). The message and the signatures, in the order of their
 * fields, must outlive it. */
struct verifier *verifier_new(
	const struct message *m, const struct signature *const *signatures, unsigned count);
void verifier_free(struct verifier *v);
/* Feeds about so many bytes of the body, if it is wanted. True: nothing is left to do. */
bool verifier_read(struct verifier *v, size_t bytes);
/* Before the first verifier_judge(). The record must outlive it. */
void verifier_set_key(struct verifier *v, unsigned signature, struct span record);
enum signature_outcome verifier_judge(struct verifier *v, unsigned signature, const char **ret_why);
