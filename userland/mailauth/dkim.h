/*
 * dkim: verifies the DKIM signatures of a message (RFC 6376, RFC 8301, RFC 8463) with libopendkim.
 *
 * Story: dkim_scan() lists the signatures, which asks for all keys at once and costs nothing;
 * when the table has every answer, dkim_verify_all() streams the message through the library once.
 * The library's key lookup answers from the table; its clock check is off, ours uses the caller's
 * time.
 *
 * Limits: DKIM_SIGNATURES_MAX signatures, further ones are not looked at (RFC 6376, section 6.1);
 * key records of DKIM_KEY_BYTES_MAX bytes, longer ones are no key. A header field with a NUL byte
 * or without a colon is not handed to the library: signatures that cover it fail.
 *
 * Refuses: rsa-sha1 and RSA keys under 1024 bits (permerror, RFC 8301); a body longer than l= says
 * is "policy": what was appended is not signed.
 */
#pragma once

#include "mailauth/dns.h"
#include "mailauth/domain.h"
#include "mailauth/message.h"

#define DKIM_SIGNATURES_MAX 8
#define DKIM_KEY_BYTES_MAX 8192
#define DKIM_KEY_BITS_MIN 1024

/* Reasons of RFC 8301: the signature itself matches. */
#define DKIM_WEAK_HASH "rsa-sha1 is not accepted"
#define DKIM_WEAK_KEY "RSA key under 1024 bits"

enum dkim_result { DKIM_NONE, DKIM_PASS, DKIM_FAIL, DKIM_POLICY, DKIM_TEMPERROR, DKIM_PERMERROR };

struct dkim_judgement {
	enum dkim_result result;
	const struct field *field;
	char domain[DOMAIN_BYTES];   /* d=; empty when unreadable */
	char selector[DOMAIN_BYTES]; /* s= */
	const char *reason;          /* NULL or why it is no pass */
};

const char *dkim_result_name(enum dkim_result r);
/* Lists the signatures and asks for their keys; the number of them. */
unsigned dkim_scan(struct dns_table *dns, const struct message *m,
	struct dkim_judgement ret[DKIM_SIGNATURES_MAX]);
/* The table has an answer to each key question. */
void dkim_verify_all(struct dns_table *dns, const struct message *m, int64_t now,
	struct dkim_judgement *list, unsigned count);
