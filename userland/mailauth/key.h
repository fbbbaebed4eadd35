/*
 * key: public keys of signers, from their DNS records (RFC 6376, section 3.6.1; RFC 8463), and a
 * cache of parsed ones.
 *
 * The cache goes by the text of the record, so a key that was changed is another one and nothing
 * ever has to be thrown out for its age. Parsing costs more than verifying with it.
 *
 * Limits: records of KEY_BYTES_MAX bytes, longer ones are no key; KEY_CACHE_MAX keys in the cache,
 * the one that was used longest ago in its row makes room; RSA keys of KEY_BITS_MAX bits.
 *
 * Refuses, with the reason in why: all that is no usable key for mail. A key with p= empty was
 * revoked. g= is not looked at: RFC 6376 knows no such tag any more, and unknown ones are ignored
 * (section 3.6.1).
 */
#pragma once

#include <openssl/evp.h>

#include "lib/span.h"
#include "mailauth/digest.h"

#define KEY_BYTES_MAX 8192
#define KEY_BITS_MAX 8192
#define KEY_CACHE_MAX 256

enum key_type { KEY_RSA, KEY_ED25519 };

struct key {
	enum key_type type;
	EVP_PKEY *pkey;
	const char *why; /* why there is none; NULL when there is one */
	unsigned bits;
	bool takes[DIGEST_KINDS]; /* h= */
	bool is_strict;           /* t=s: i= must be just d= */
	bool is_test;             /* t=y: the owner is trying it out */
};

struct key_cache;

struct key_cache *key_cache_new(void);
void key_cache_free(struct key_cache *c);
/* Never NULL; good until the next call. */
const struct key *key_read(struct key_cache *c, struct span record);
