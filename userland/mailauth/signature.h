/*
 * signature: reads one signature field: DKIM-Signature (RFC 6376, section 3.5),
 * ARC-Message-Signature and ARC-Seal (RFC 8617, sections 4.1.2 and 4.1.3); and verifies the two of
 * ARC.
 *
 * Story: signature_read() takes the field apart and refuses what the grammar or a MUST forbids;
 * signature_key_name() says which key to ask for. A DKIM signature then goes to libopendkim
 * (verifier.h): this is the guard in front. For ARC, with the key and the body's hash,
 * signature_verify() makes the canonical header and does the arithmetic. dkim.c and arc.c decide
 * what it means.
 *
 * Limits: SIGNATURE_BYTES_MAX for a signature (RSA of 8192 bits); SIGNATURE_NAMES_MAX names in h=.
 *
 * Refuses: algorithms other than rsa-sha256, ed25519-sha256 and, for DKIM alone, rsa-sha1, which
 * is verified but may not pass (dkim.h).
 */
#pragma once

#include "mailauth/body.h"
#include "mailauth/dns.h"
#include "mailauth/domain.h"
#include "mailauth/key.h"

#define SIGNATURE_BYTES_MAX 1024
#define SIGNATURE_NAMES_MAX 256

enum signature_kind { SIGNATURE_DKIM, SIGNATURE_ARC_MESSAGE, SIGNATURE_ARC_SEAL };

struct signature {
	const struct field *field;
	enum key_type key_type;
	enum digest_kind digest;
	enum canon header_form, body_form;
	struct span b_room; /* what b= leaves out of its own field */
	struct span b, bh;
	struct span names;             /* h= */
	struct span cv;                /* of a seal */
	uint64_t limit;                /* l=, or BODY_WHOLE */
	int64_t signed_at, expires_at; /* t=, x=; -1 when not given */
	char domain[DOMAIN_BYTES];     /* d=; empty when unreadable */
	char selector[DOMAIN_BYTES];   /* s= */
	bool is_below;                 /* i= names a domain below d= */
};

enum signature_outcome {
	SIGNATURE_MATCHES,
	SIGNATURE_DIFFERS, /* what was signed is not what is there */
	SIGNATURE_UNUSABLE /* key and signature do not go together */
};

/* NULL, or why it is none. What could be read is there. */
const char *signature_read(struct signature *s, enum signature_kind kind, const struct field *f);
/* False: too long for DNS. */
bool signature_key_name(const struct signature *s, char ret[DNS_NAME_BYTES]);
/* Is this name in h=? */
bool signature_names(const struct signature *s, struct span name);
/* NULL, or why a key is none for this signature. */
const char *signature_check_key(const struct signature *s, const struct key *k);
/* NULL, or why bh= is not this hash of the body. An empty one is no hash. */
const char *signature_check_body(const struct signature *s, struct span hash);
/* The header part of a message signature of ARC, all of which hash with SHA-256. body: the body's
 * hash. */
enum signature_outcome signature_verify(const struct signature *s, const struct message *m,
	const struct key *k, struct span body, const char **ret_why);
/* The arithmetic alone: is b= the signature of this hash? */
enum signature_outcome signature_verify_hash(
	const struct signature *s, const struct key *k, struct span hash, const char **ret_why);
