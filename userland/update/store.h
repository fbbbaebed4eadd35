/*
 * store: the version folders of one type of signatures, and the one step that makes a new one
 * current.
 *
 * /data/sig/<type>/ holds v-<id>/ folders and two links, current and previous. A folder holds the
 * files of all sources, as <source>__<file>, and manifest.json. A delivery of one source makes a
 * new folder in which the other sources' files are hard links to those of the present one; it is
 * written and synced under the name .new, renamed, and current is replaced by a rename. Then the
 * engine loads it; if the engine refuses, current goes back and the folder is removed. Otherwise
 * previous names the one before, and folders that neither link names are removed.
 *
 * A crash at any point leaves current naming a complete folder.
 * Refuses: what delivery_check() does not like.
 */
#pragma once

#include "update/type.h"

struct delivery {
	const char *source;
	const char *version;
	uint64_t count;
	unsigned n;
	const char *const *names;
	const int *fds;
};

/* Has the engine load what current names. 0, or an error with *ret_why (heap): it keeps the old. */
typedef int (*store_reload)(void *ctx, char **ret_why);

/* NULL, or what is wrong with it. */
const char *delivery_check(const struct signature_type *type, const struct delivery *d);
int store_install(
	const char *dir, const struct delivery *d, store_reload reload, void *ctx, char **ret_why);
