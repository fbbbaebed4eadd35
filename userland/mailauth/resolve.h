/*
 * resolve: answers the open questions of DNS tables from the network, with libunbound.
 *
 * Story: resolve_start() answers what the cache knows and sends the other open questions of a table
 * at once; answers arrive on the event loop; when the last one is in, `done` is called. A question
 * that several mails have at the same time is sent once. The caches belong to the resolver: a
 * Reload makes a new one, and batches that are under way keep the old one alive.
 *
 * The name servers are those of SEKISHO_RESOLV_CONF (/etc/resolv.conf); without any in it
 * libunbound is a full resolver and begins at the root servers (tests: SEKISHO_ROOT_HINTS).
 *
 * DNSSEC: with the root's trust anchor (SEKISHO_TRUST_ANCHOR, /usr/share/dns/root.key) answers are
 * validated where the name servers give signatures; a bogus one is DNS_TEMPFAIL. Name servers that
 * strip DNSSEC altogether are believed as they were without it.
 *
 * Limits: RESOLVE_CACHE_BYTES in libunbound, CACHE_BYTES in front of it; a deadline is the
 * caller's, by resolve_cancel().
 *
 * An error of the library, an rcode other than NOERROR and NXDOMAIN, and a bogus DNSSEC answer are
 * DNS_TEMPFAIL (RFC 7208, section 4.4). A record that is not what its type says is left out.
 */
#pragma once

#include <systemd/sd-event.h>

#include "mailauth/cache.h"

#define RESOLVE_CACHE_BYTES (4u << 20)

struct resolver;
struct resolve_batch;

struct resolve_counters {
	uint64_t queries; /* sent to libunbound */
	uint64_t cached;  /* answered without it */
	uint64_t shared;  /* added to one that was under way */
	uint64_t tempfails;
	uint64_t bogus;  /* of these: by DNSSEC */
	uint64_t secure; /* answers that DNSSEC proved */
};

struct resolver_settings {
	bool dnssec;
};

/* counters outlives the resolver. */
int resolver_new(sd_event *event, const struct resolver_settings *settings,
	struct resolve_counters *counters, struct resolver **ret);
struct resolver *resolver_ref(struct resolver *r);
/* Freed with its last reference; a batch holds one. NULL is allowed. */
void resolver_unref(struct resolver *r);
/* Are answers validated? */
bool resolver_has_anchor(const struct resolver *r);
/* Name servers asked; 0: it is a full resolver. */
unsigned resolver_servers(const struct resolver *r);

/* 1: done(ctx) will be called once. 0: all is answered. The table must outlive the batch. */
int resolve_start(struct resolver *r, struct dns_table *t, void (*done)(void *ctx), void *ctx,
	struct resolve_batch **ret);
/* Ends a batch, before or after `done`; no callback comes any more. NULL is allowed. */
void resolve_cancel(struct resolve_batch *b);
