/*
 * audit: who changed what, as `config` events in log/configd/eve.json.
 *
 *	{"event_type":"config","config":{"action":"commit","user":"admin","source":"ssh
 *192.0.2.7","serial":17, "comment":"...","diff":"set ..."}}
 *
 * action: commit, confirm, revert (a commit that was not confirmed in time), damaged (a file of the
 *store). Secret values are never in a diff. One is cut at AUDIT_DIFF_BYTES.
 */
#pragma once

#include <stdint.h>

#include "lib/eve.h"

#define AUDIT_DIFF_BYTES 32768

struct audit {
	struct eve *eve; /* NULL: the log folder is not writable */
};

struct audit_entry {
	const char *action;
	const char *user;
	const char *from;    /* terminal or address, as the command line says; NULL: not said */
	const char *comment; /* NULL: none */
	const char *diff;    /* NULL: none */
	uint64_t serial;
};

void audit_open(struct audit *a);
void audit_write(struct audit *a, const struct audit_entry *e);
