/*
 * session: one administrator's candidate.
 *
 * A connection to configd is a session. Its candidate is made from the running configuration when
 * it is first needed, follows it while it is not changed, and is gone with the connection. When
 * somebody else commits while it is changed it cannot be committed any more: session_rebase() does
 * the same changes again on top of what is running now, or session_reset() forgets them.
 *
 * Limit: SESSIONS_MAX at once.
 */
#pragma once

#include <systemd/sd-varlink.h>

#include "config/snapshot.h"

#define SESSIONS_MAX 16

struct session {
	sd_varlink *link; /* NULL: free */
	struct lyd_node *candidate;
	struct lyd_node *base_tree; /* what the changes were made to; only while dirty */
	uint64_t base;              /* generation of running that the candidate was made from */
	bool dirty;
};

struct sessions {
	struct session all[SESSIONS_MAX];
};

/* That of the connection, made when there is none; NULL when there are too many. */
struct session *session_get(struct sessions *all, sd_varlink *link, const struct lyd_node *running,
	uint64_t generation);
/* The one it has already, or NULL. */
struct session *session_find(struct sessions *all, sd_varlink *link);
void session_free(struct session *session);
void session_reset(struct session *session, const struct lyd_node *running, uint64_t generation);
/* The candidate is what is running now. */
void session_settle(struct session *session, uint64_t generation);
/* Before the first change. */
void session_touch(struct session *session);
/* -EINVAL with *f when a change cannot be made again; the candidate is then as before. */
int session_rebase(struct session *session, const struct schema *s, const struct lyd_node *running,
	uint64_t generation, struct fault *f);
