/*
 * store: the commits on the data partition, of which the newest whole one is the startup
 *configuration.
 *
 *	config/commit-000017.json	a commit (record.h); the newest STORE_KEEP stay, for
 *rollback config/pending.json		the commit being made, or waiting for its confirmation
 *	config/damaged.json		the newest file that was not whole, kept for the
 *administrator
 *
 * A commit goes to pending.json, synced, before anything is applied; when all has been applied (and
 * confirmed, if that was asked for) it takes its number by rename. So a power cut at any moment
 *leaves the old configuration or the new one whole, and one that was never confirmed is never what
 *the box starts with. Only a restart of configd alone, in the same boot and before the deadline,
 *runs a pending commit on.
 *
 * Loading passes over what is of no use, newest first, down to the factory configuration of the
 *image, and reports it. What is not whole is set aside; what is whole but does not fit this
 *version's schema stays for the version that wrote it.
 */
#pragma once

#include "config/record.h"
#include "config/snapshot.h"

#define STORE_KEEP 50 /* rollback 0..49 */

enum store_origin { STORE_STARTUP, STORE_PREVIOUS, STORE_FACTORY, STORE_PENDING, STORE_NONE };
extern const char *const store_origin_names[];

/* What configd starts with. */
struct store_state {
	struct snapshot *running;
	struct record record; /* of running; serial 0: factory */
	enum store_origin origin;
	struct snapshot *base; /* origin PENDING: what an unconfirmed commit goes back to */
	struct record base_record;
	uint64_t newest;    /* highest serial there is, whole or not */
	unsigned damaged;   /* files passed over */
	bool unconfirmed;   /* a pending commit whose time was over was thrown away */
	struct record lost; /* that one */
};

/* Fails only when even the factory configuration is unusable. */
int store_load(const struct schema *s, struct store_state *ret);
/* Written and synced beside the commits. */
int store_prepare(const struct snapshot *snapshot, const struct record *r);
/* The pending one becomes commit r->serial and what the box starts with. */
int store_finish(const struct record *r);
/* It does not. */
int store_abandon(void);

/* The commits that lie there, newest first, at most STORE_KEEP; on the heap, *ret_n of them. */
int store_list(struct record **ret, unsigned *ret_n);
/* The configuration of a commit; -ENOENT, or -EBADMSG with *f. */
int store_read(const struct schema *s, uint64_t serial, struct lyd_node **ret, struct fault *f);
