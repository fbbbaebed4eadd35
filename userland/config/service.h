/*
 * service: io.sekisho.Config, the Varlink interface of configd.
 *
 *	method Set(path: []string, value: ?string) -> ()
 *	method Delete(path: []string) -> ()
 *	method Get(path: ?[]string, source: ?(running, candidate)) -> (config: object, text: string)
 *	method Describe(path: []string) -> (words: [](word: string, help: string, kind: string))
 *	method Compare() -> (diff: string)
 *	method Check() -> ()
 *	method Commit(comment: ?string) -> (changed: bool, diff: string)
 *	method Discard() -> ()
 *	method Status() -> (hostname: string, password_set: bool, source: string, generation: int,
 *dirty: bool) error Invalid (path: ?string, value: ?string, why: string, accepted: ?string) error
 *Conflict (why: string) error Failed (why: string) error TooManySessions (why: string)
 *
 * A connection is a session with a candidate of its own, made when it is first needed and gone with
 *the connection. A candidate that was not changed follows the running configuration; one that was
 *changed while somebody else committed cannot be committed (Conflict) and has to be discarded.
 *
 * Every commit that changed something is a `config` event: user, comment, diff without secrets.
 *
 * Limits: SERVICE_SESSIONS candidates at once, more get TooManySessions. A diff in an event is cut
 *at SERVICE_DIFF_BYTES.
 */
#pragma once

#include <systemd/sd-varlink.h>

#include "config/store.h"
#include "lib/eve.h"

#define SERVICE_SESSIONS 16
#define SERVICE_DIFF_BYTES 32768

struct session {
	sd_varlink *link; /* NULL: free */
	struct lyd_node *candidate;
	uint64_t base; /* generation of running that the candidate was made from */
	bool dirty;
};

struct service {
	struct schema schema;
	struct snapshot *running;
	enum store_origin origin;
	uint64_t generation; /* commits since start */
	struct eve *eve;     /* NULL: the log folder is not writable */
	struct session sessions[SERVICE_SESSIONS];
};

int service_bind(struct service *s, sd_varlink_server *server);
void service_fini(struct service *s);
bool service_has_password(const struct service *s);
