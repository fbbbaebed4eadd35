/*
 * store: the version folders of one type of signatures, and the one step that makes a new one
 * current.
 *
 * /data/sig/<type>/ holds v-<id>/ folders and the links current, previous and previous-2. A folder
 * holds the files of all sources, as <source>__<file>, and manifest.json. A delivery of one source
 * makes a new folder in which the other sources' files are hard links to those of the present one;
 * it is written and synced under the name .new, renamed, and current is replaced by a rename. Then
 * the engine loads it; if the engine refuses, current goes back and the folder is removed.
 * Otherwise the two previous links move on, and folders that no link names are removed.
 *
 * What sources that the settings no longer name have left goes out with the next delivery or with
 * store_sweep(). When no source is left there is no current: the engine has what the image came
 * with.
 *
 * A crash at any point leaves current naming a complete folder.
 * Refuses: what delivery_check() does not like.
 */
#pragma once

#include "update/type.h"

struct delivery {
	const char *source;
	const char *version;
	uint64_t serial;
	uint64_t count;
	unsigned n;
	const char *const *names;
	const int *fds;
};

struct store_ops {
	/* Has the engine load what current names, `id`, or nothing (""). 0, or an error with
	 * *ret_why (heap): it keeps the old. */
	int (*reload)(void *ctx, const char *id, char **ret_why);
	/* Whether the files of this source stay; NULL: all do. */
	bool (*wants)(void *ctx, const char *source);
	void *ctx;
};

/* NULL, or what is wrong with it. */
const char *delivery_check(const struct signature_type *type, const struct delivery *d);
int store_install(
	const char *dir, const struct delivery *d, const struct store_ops *ops, char **ret_why);
/* 1 when something went out, 0 when there was nothing to do. */
int store_sweep(const char *dir, const struct store_ops *ops, char **ret_why);
