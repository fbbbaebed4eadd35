/*
 * domain: domain names as text, as mail and DNS records spell them.
 *
 * Two degrees of trust: a name for a DNS question may hold any printable byte (macros of SPF make
 * such names); a domain that stands for somebody (From, d=, MAIL FROM) is letters, digits,
 * hyphens and underscores, with U-labels turned into A-labels (RFC 5890, section 2.3).
 *
 * Limits: 253 bytes, labels of 1 to 63 bytes (RFC 1035, section 2.3.4).
 */
#pragma once

#include "lib/span.h"

#define DOMAIN_BYTES 254

/* Lower case, one final dot removed. False when DNS cannot carry it. */
bool domain_lower(const char *name, char ret[DOMAIN_BYTES]);
/* Reads a domain that stands for somebody. False when it is none. */
bool domain_read(struct span s, char ret[DOMAIN_BYTES]);
unsigned domain_labels(const char *name);
/* Without its leftmost label; NULL when it has only one. */
const char *domain_parent(const char *name);
/* Is name equal to domain or below it? ASCII case is ignored. */
bool domain_is_within(const char *name, const char *domain);
