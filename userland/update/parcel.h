/*
 * parcel: one delivery on its way through verify: copied, so that it cannot change between check
 * and use; vouched for; unpacked or put together with limits; tried by the engine (trial.h);
 * compared with what is installed.
 *
 * What arrives is `main`, with `checksum` and `signature` where the settings ask for them, or the
 * steps (CDIFF) from the installed database to a newer one. What leaves are the files for install,
 * in a folder of the parcel's own on the data partition, not in memory: a database is larger than
 * many a box.
 *
 * Limits: DELIVERY_BYTES for the download, tar.h, cvd.h, list.h for what is in it.
 * Refuses, unless confirmed: what counts itself older than what is installed, and less than half of
 * what the same source delivered before: that is an accident or an attack.
 */
#pragma once

#include <limits.h>

#include "update/file.h"
#include "update/source.h"
#include "update/unpack.h"

#define PARCEL_FILES 64 /* descriptors of one call */

struct parcel_file {
	const char *name; /* main, checksum, signature, cdiff-<version> */
	int fd;
};

struct parcel {
	/* from the caller */
	const struct source *source;
	const struct parcel_file *parts;
	unsigned parts_n;
	bool confirmed;
	bool imported; /* brought by the administrator: no check sum comes with it */
	/* what becomes of it */
	char folder[PATH_MAX];
	char files[PATH_MAX];
	struct delivery_names names;
	char version[HASH_CHARS + 1];
	uint64_t count, serial, released, peak_kb;
	uint64_t disabled, enabled, modified; /* rules that the settings changed */
	bool changed;                         /* it is not what is installed */
	bool steps;                           /* made of CDIFFs */
	bool cut_short;                       /* the trial, by want of memory: trial.h */
	uint64_t claimed;                     /* signatures, by a database's own word */
	bool empty;                           /* a database that says itself that it has none */
	bool unconfirmed;                     /* refused for what `confirmed` would allow */
	char *why;                            /* heap, when refused */
};

/* Up to the point where p->files holds what is to be installed, or p->changed is false. */
int parcel_open(struct parcel *p);
/* Removes the folder. */
void parcel_fini(struct parcel *p);
/* Keeps the first reason; returns error. */
int parcel_refuse(struct parcel *p, int error, const char *why);
