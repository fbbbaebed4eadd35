/*
 * fetch: the role with the network. It keeps the schedule, downloads, hands on to verify and
 *reports. It trusts nothing that it gets and can activate nothing.
 *
 *	interface io.sekisho.Update		on the control socket of "updated"
 *	method Now(source: ?string) -> (results: []object)
 *	error NoSuchSource (source: string)
 *	error Busy ()
 *
 * Now starts a try of the source, or of all that are enabled, and replies when the tries have
 *ended; one that is running already is waited for. Each result has the fields of Status: name,
 *type, url, enabled, interval (minutes), busy, count, failures (in a row), last_try, last_success
 *(seconds since 1970) and, where there is one, result (installed, unchanged, failed), why, version,
 *age_s, next_s, etag, modified.
 *
 * Every step of a try is an `update` event: {source, type, step: download|verify|install|activate,
 * result: ok|unchanged|failed, ...}.
 *
 * Limits: FETCH_WAITERS callers of Now at once; more are told Busy.
 */
#pragma once

#define FETCH_WAITERS 16

int fetch_role(void);
