/*
 * signature: an Ed25519 signature in minisign's form over a file.
 *
 * The key is base64 of "Ed", 8 bytes of key number and 32 of key. The signature is four lines: a
 * comment, base64 of two letters, key number and 64 bytes, a trusted comment, and base64 of 64
 * bytes that sign the first signature and the trusted comment. "Ed" signs the file itself, "ED" its
 * BLAKE2b-512. The trusted comment usually says when it was signed ("timestamp:1700000000"): that
 * is the version by which a replayed older file is known.
 *
 * Limits: SIGNATURE_TEXT_BYTES of text. Refuses: another key's signature, and one of which either
 * part is wrong.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/span.h"

#define SIGNATURE_TEXT_BYTES 4096

/* 0 and *ret_time (0: not said), or -EBADMSG with *ret_why, a constant. */
int signature_verify(
	const char *key, int fd, struct span text, uint64_t *ret_time, const char **ret_why);
