/*
 * spf_match: does one mechanism cover the client? Asks libspf2 (ADR 0005).
 *
 * Story: spf.c has read the term and expanded its target. Here a record of that one mechanism is
 * written, with stand-ins for names ("target.invalid") and plain numbers; libspf2 compiles and
 * interprets it, and its DNS layer is ours: it answers for the stand-ins from the table. So libspf2
 * never sees a byte that a stranger wrote, and every limit is kept here.
 *
 * Limits (RFC 7208, section 4.6.4): 10 names of an mx (more is permerror) or ptr (more are not
 * looked at); SPF_VOIDS_MAX answers without records over the whole evaluation, counted in *voids.
 */
#pragma once

#include "mailauth/dns.h"
#include "mailauth/spf_record.h"

#define SPF_NAMES_MAX 10
#define SPF_VOIDS_MAX 2

struct spf_ip {
	int family; /* AF_INET or AF_INET6; an IPv4-mapped address is AF_INET */
	uint8_t bytes[16];
};

enum spf_match {
	SPF_MATCH_NO,
	SPF_MATCH_YES,
	SPF_MATCH_MORE,
	SPF_MATCH_TEMPERROR,
	SPF_MATCH_PERMERROR
};

/* ip4, ip6, a, mx, ptr, exists. target is the expanded domain-spec, or the current domain. */
enum spf_match spf_match_term(struct dns_table *dns, const struct spf_ip *ip,
	const struct spf_term *t, const char *target, unsigned *voids);

/* The name in in-addr.arpa or ip6.arpa. */
void spf_ip_reverse_name(const struct spf_ip *ip, char ret[DNS_NAME_BYTES]);
/* Is ip among the addresses of name? SPF_MATCH_MORE when not known yet; DNS errors are "no"
 * (section 5.5). */
enum spf_match spf_ip_is_of(struct dns_table *dns, const struct spf_ip *ip, const char *name);
