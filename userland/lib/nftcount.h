/*
 * nftcount: what the kernel has counted in a dynamic nftables set whose elements have counters.
 *
 * The ruleset adds an element when a packet matches (`update @set { key }`); this reads them all in
 * one dump: the key, two bytes, and how many packets. Needs CAP_NET_ADMIN.
 *
 * Refuses a set that is not there (-ENOENT). Elements beyond max are left out; the kernel's own
 * bound is the set's size.
 */
#pragma once

#include <stdint.h>

struct nftcount {
	uint16_t key_be;
	uint64_t packets;
};

/* How many were written to ret, or -errno. family is NFPROTO_*. */
int nftcount_read(
	int family, const char *table, const char *set, struct nftcount *ret, unsigned max);
