/*
 * dns_version: the versions of ClamAV's databases as its publisher keeps them in a TXT record, so
 *that most boxes ask no web server most of the time.
 *
 *	"0.103.8:62:27477:1732440600:1:90:49192:335"
 *	engine : main : daily : time of the record : ... : bytecode, the eighth
 *
 * An answer can only say that there is nothing new, and only while its own time is near; whatever
 *else it says, or when there is none, the web server is asked. It is as little to be trusted as any
 *answer: what follows from a wrong one is no update for as long as somebody can forge fresh
 *records.
 *
 * Limits: DNS_VERSION_WAIT_S for the resolver; DNS_VERSION_OLD_S for the record.
 */
#pragma once

#include <stdint.h>

#include "lib/span.h"

#define DNS_VERSION_WAIT_S 3
#define DNS_VERSION_OLD_S (3 * 3600)

/* Of the database with this stem ("daily"); now: seconds since 1970. False when the text does not
 * say, or is old. */
bool dns_version_read(struct span text, const char *stem, uint64_t now, uint64_t *ret);
/* Asks. */
bool dns_version_get(const char *name, const char *stem, uint64_t now, uint64_t *ret);
