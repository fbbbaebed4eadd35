/*
 * service: io.sekisho.Config, the Varlink interface of configd.
 *
 *	method Set(path: []string, value: ?string) -> ()
 *	method Delete(path: []string, value: ?string) -> ()
 *	method Insert(path: []string, before: ?string, after: ?string) -> ()
 *	method Load(text: string, mode: (merge, replace, set), format: ?(json, xml, set)) ->
 *(changes: string) method Rollback(number: int) -> (diff: string) method Update() -> (diff: string)
 *	method Discard() -> ()
 *	method Get(path: ?[]string, source: ?(running, candidate, startup, rollback), rollback:
 *?int, format: ?(set, json, xml), defaults: ?bool, secrets: ?bool) -> (config: object, text:
 *string) method Export(source: ?(...), rollback: ?int, format: ?(json, xml, set)) -> (text: string)
 *	method Describe(path: []string) -> (words: [](word: string, help: string, kind: string))
 *	method Compare(rollback: ?int) -> (diff: string)
 *	method History() -> (commits: [](number: int, serial: int, time: string, user: string,
 *comment: string)) method Lists(value: ?string) -> (lists: []object) lists.h method Check() -> ()
 *method Commit(comment: ?string, confirm_minutes: ?int, from: ?string)
 *		-> (changed: bool, diff: string, serial: int, confirm_seconds: ?int)
 *	method Confirm() -> ()
 *	method Status() -> (hostname: string, password_set: bool, source: string, generation: int,
 *dirty: bool, serial: int, conflict: bool, role: string, confirm: ?(user: string, seconds: int),
 *		alarms: []string, sessions: [](user: string, dirty: bool))
 *	error Invalid (path: ?string, value: ?string, why: string, accepted: ?string)
 *	error Conflict (why: string, user: string, time: string)
 *	error ConfirmPending (why: string, user: string, seconds: int)
 *	error NothingPending (why: string)
 *	error Failed (why: string)
 *	error TooManySessions (why: string)
 *
 * A connection is a session (session.h). Which methods it finds depends on the role of the account
 *on its other end (lib/role.h, methods.def). Secrets are shown to an administrator who asks for
 *them, and are in no export.
 *
 * A commit with confirm_minutes comes back by itself unless Confirm, or a Commit without changes,
 *follows in time; the time goes on when configd is started again, and has passed when the box is.
 *
 * Every commit, confirmation, return and damaged file is a `config` event (audit.h).
 */
#pragma once

#include "config/audit.h"
#include "config/session.h"
#include "config/store.h"

#define SERVICE_CONFIRM_MINUTES_MAX 1440

struct service {
	sd_event *event;
	struct schema schema;
	struct store_state now; /* running, what it came from, and what it may go back to */
	uint64_t generation;    /* changes of running since start */
	struct audit audit;
	sd_event_source *deadline; /* of a commit that waits for its confirmation */
	struct sessions sessions;
};

int service_bind(struct service *s, sd_varlink_server *server);
/* After the start: resumes the deadline of a pending commit and reports what was damaged or
 * reverted. */
void service_resume(struct service *s);
void service_fini(struct service *s);
bool service_has_password(const struct service *s);
