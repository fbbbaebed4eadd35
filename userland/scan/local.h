/*
 * local: signatures that the administrator put into a folder by hand.
 *
 * Any of the kinds that libclamav reads as text: YARA rules (.yar, .yara), hashes (.hdb, .hsb,
 * .mdb, .msb, .sfp, .fp), patterns (.ndb, .ldb, .idb), container and signature lists (.cdb, .crb,
 * .ign2). Each file is loaded once in a child of its own; one that does not load is named in the
 * log and left out, so a typing error does not take the antivirus away.
 *
 * Limits: LOCAL_FILES_MAX files, LOCAL_TRY_S for the trial of one; what is beyond is refused.
 */
#pragma once

#define LOCAL_FILES_MAX 64
#define LOCAL_TRY_S 30

struct local {
	char *paths[LOCAL_FILES_MAX];
	unsigned count;
	unsigned refused;
};

/* A folder that is not there holds no files. */
void local_find(const char *folder, const char *tmp, struct local *ret);
void local_free(struct local *l);
