/*
 * nftset: renews elements of a timed nftables set, the dead-man's switch of a daemon.
 *
 * A daemon that is alive renews its elements every quarter of their time-out; when it stops, for
 * whatever reason, they expire and the kernel falls back to what the ruleset says for that case.
 * Needs CAP_NET_ADMIN. A set that is not there (configd is loading a new ruleset) is -ENOENT; the
 * caller tries again at its next beat.
 */
#pragma once

#include <stdint.h>

struct nftset;

/* family is NFPROTO_*. Keys are of type ether_type or inet_service. */
int nftset_open(int family, const char *table, const char *set, struct nftset **ret);
void nftset_free(struct nftset *s);
/* Adds or renews count keys of two bytes each, with the time-out, in one transaction. */
int nftset_renew(struct nftset *s, const uint16_t *keys_be, unsigned count, uint32_t timeout_ms);
