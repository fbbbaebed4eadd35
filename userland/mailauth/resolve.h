/*
 * resolve: answers the open questions of DNS tables from the network, with libunbound.
 *
 * Story: resolve_start() sends every open question of a table at once and returns; answers arrive
 * on the event loop; when the last one is in, `done` is called. The name servers are those of
 * SEKISHO_RESOLV_CONF (/etc/resolv.conf); without any in it, libunbound asks the root servers
 * itself. The cache belongs to the resolver: a Reload makes a new one, and batches that are under
 * way keep the old one alive.
 *
 * Limits: a cache of RESOLVE_CACHE_BYTES; a deadline is the caller's, by resolve_cancel().
 *
 * An error of the library, an rcode other than NOERROR and NXDOMAIN, and a bogus DNSSEC answer are
 * DNS_TEMPFAIL (RFC 7208, section 4.4). A record that is not what its type says is left out.
 */
#pragma once

#include <systemd/sd-event.h>

#include "mailauth/dns.h"

#define RESOLVE_CACHE_BYTES (8u << 20)

struct resolver;
struct resolve_batch;

struct resolve_counters {
	uint64_t queries;
	uint64_t tempfails;
};

/* counters outlives the resolver. */
int resolver_new(sd_event *event, struct resolve_counters *counters, struct resolver **ret);
struct resolver *resolver_ref(struct resolver *r);
/* Freed with its last reference; a batch holds one. NULL is allowed. */
void resolver_unref(struct resolver *r);

/* 1: done(ctx) will be called once. 0: nothing was open. The table must outlive the batch. */
int resolve_start(struct resolver *r, struct dns_table *t, void (*done)(void *ctx), void *ctx,
	struct resolve_batch **ret);
/* Ends a batch, before or after `done`; no callback comes any more. NULL is allowed. */
void resolve_cancel(struct resolve_batch *b);
