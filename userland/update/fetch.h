/*
 * fetch: the role with the network. It keeps the schedule, downloads, hands on to verify and
 *reports. It trusts nothing that it gets and can activate nothing.
 *
 *	interface io.sekisho.Update		on the control socket of "updated"
 *	method Now(source: ?string) -> (results: []object)
 *	method Confirm(source: string) -> (results: []object)
 *	method Import(source: string) -> (results: []object)	+ descriptor of the file, and, where
 *								the source is signed, of its
 *.minisig method Sources() -> (sources: []object, warnings: []string)	for auditors too error
 *NoSuchSource (source: string) error NothingToConfirm (source: string) error NoFile () error Busy
 *()
 *
 * Now starts a try of the source, or of all that are enabled, and replies when the tries have
 *ended; one that is running already is waited for. Confirm tries again and lets pass what the last
 *try was refused for: a file older than the installed one, or one that has shrunk by more than
 *half. Import takes a file that the administrator brings the same way as a download.
 *
 * Each result has the fields of state.h: name, type, url, enabled, interval (minutes), busy, count,
 * failures (in a row), last_try, last_success (seconds since 1970), stale and, where there is one,
 * result (installed, unchanged, failed), why, version, serial, released, age_s, next_s, retry_at,
 * unconfirmed, etag, modified. Status has the same as Sources.
 *
 * Every step of a try is an `update` event: {source, type, step: download|verify|install|activate,
 * result: ok|unchanged|failed, ...}; a source that is stale is one a day: {step: age, result:
 * warning, age_s}.
 *
 * Limits: waiter.h. A commit ends the tries that run: their settings may have changed.
 */
#pragma once

#define FETCH_AGE_CHECK_S 3600
#define FETCH_AGE_WARN_S 86400 /* the warning is repeated */

int fetch_role(void);
