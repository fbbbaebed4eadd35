/*
 * digest: a hash that many small pieces are put into.
 *
 * OpenSSL's update costs as much as hashing 64 bytes; canonical forms come in words. So pieces are
 * collected first.
 *
 * Limits: none. A failure of OpenSSL (out of memory) makes the result empty: no signature matches.
 */
#pragma once

#include <openssl/evp.h>

#include "lib/span.h"

#define DIGEST_BYTES_MAX 32

/* What signatures and keys name. */
enum digest_kind { DIGEST_SHA1, DIGEST_SHA256, DIGEST_KINDS };

struct digest {
	EVP_MD_CTX *md;
	bool failed;
	size_t n;
	uint8_t held[1024];
};

size_t digest_bytes(enum digest_kind kind);

void digest_init(struct digest *d, enum digest_kind kind);
void digest_put(struct digest *d, struct span s);
/* The hash of what was put so far; more may follow. Number of bytes, 0 on failure. */
size_t digest_peek(struct digest *d, uint8_t ret[DIGEST_BYTES_MAX]);
void digest_fini(struct digest *d);
/* ret is a second digest, with what d has so far. */
void digest_copy(struct digest *ret, const struct digest *d);
