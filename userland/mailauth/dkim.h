/*
 * dkim: judges the DKIM signatures of a message (RFC 6376, RFC 8301, RFC 8463). libopendkim does
 * the verifying, behind a guard of ours (ADR 0012).
 *
 * Story: dkim_scan() reads the signatures and refuses what the grammar or a MUST forbids;
 * dkim_verifier() gives the others to the library; dkim_ask() asks for all keys at once. When the
 * table has every answer and the body is read, dkim_judge() gives each signature its result: what
 * libopendkim does not find signed never passes, and what it does may still have another body
 * (body.h), or be too weak or too old.
 *
 * Limits: DKIM_SIGNATURES_MAX signatures, further ones are not looked at (RFC 6376, section 6.1);
 * those of signature.h and key.h.
 *
 * Refuses: rsa-sha1 and RSA keys under 1024 bits (permerror, RFC 8301); an expired signature or one
 * from the future (permerror). Body beyond l= makes it "policy": what was appended is not signed.
 * A key name with several TXT records has no key (section 3.6.2.2).
 */
#pragma once

#include "mailauth/verifier.h"

#define DKIM_SIGNATURES_MAX VERIFIER_SIGNATURES_MAX
#define DKIM_KEY_BITS_MIN 1024

/* Reasons of RFC 8301: the signature itself matches. */
#define DKIM_WEAK_HASH "rsa-sha1 is not accepted"
#define DKIM_WEAK_KEY "RSA key under 1024 bits"

enum dkim_result { DKIM_NONE, DKIM_PASS, DKIM_FAIL, DKIM_POLICY, DKIM_TEMPERROR, DKIM_PERMERROR };

struct dkim_judgement {
	enum dkim_result result;
	struct signature signature; /* domain and selector are empty when unreadable */
	const char *reason;         /* NULL or why it is no pass */
	bool is_test;               /* the key says t=y */
	unsigned key_bits;          /* 0: no key */
	int candidate;              /* number at the verifier, -1: refused before */
	int body;                   /* number of its hash of the body */
};

const char *dkim_result_name(enum dkim_result r);
/* The number of signatures. */
unsigned dkim_scan(
	const struct message *m, struct body *b, struct dkim_judgement ret[DKIM_SIGNATURES_MAX]);
/* NULL: none is to be verified, or out of memory. list must outlive it. */
struct verifier *dkim_verifier(
	const struct message *m, const struct dkim_judgement *list, unsigned count);
void dkim_ask(struct dns_table *dns, const struct dkim_judgement *list, unsigned count);

/* What all signatures of a message are judged by. */
struct dkim_evidence {
	struct dns_table *dns; /* has an answer to each key question */
	const struct message *message;
	const struct body *body; /* read to its end */
	struct key_cache *keys;
	int64_t now;
	struct verifier *verifier; /* has all of the body; NULL for ARC alone */
};

void dkim_judge(const struct dkim_evidence *e, struct dkim_judgement *list, unsigned count);

/* The key of a signature; NULL and a reason: *ret_result is temperror or permerror. ret_record, its
 * text, may be NULL. */
const struct key *dkim_key(const struct dkim_evidence *e, const struct signature *s,
	struct span *ret_record, enum dkim_result *ret_result, const char **ret_why);
