/*
 * type: the kinds of signatures, one row each, and the names that are allowed to reach the disk.
 *
 * A new kind is one row of the table in type.c. Every name that came over the network passes
 * type_accepts() or source_name_ok() before it becomes part of a path.
 *
 * Refuses: names with anything but letters, digits, dot, underscore and hyphen, or that begin with
 * a dot.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SOURCE_NAME_CHARS 63
#define FILE_NAME_CHARS 127
#define DELIVERY_FILES \
	200 /* they travel as descriptors of one message, of which Linux passes 253 */
#define DELIVERY_BYTES (512ull << 20)

enum list_kind {
	LIST_NONE,
	LIST_ADDRESSES,
	LIST_DOMAINS,
};

struct signature_type {
	const char *name;         /* the schema's */
	const char *engine;       /* program that tries it, daemon that uses it */
	const char *trial_option; /* `engine -T OPTION DIR/FILES` tries a folder; NULL: no option */
	const char *trial_files;
	bool tried_again;           /* the daemon tries it before it serves with it, too */
	const char *unit;           /* what is counted */
	bool archive;               /* arrives as a tarball of such files */
	enum list_kind list;        /* or as a list, which list.h reads and no engine tries */
	const char *list_name;      /* of the file that is installed for it */
	const char *extensions[12]; /* of the files that are installed */
};

/* NULL when there is none of that name. */
const struct signature_type *type_find(const char *name);
/* In turn, NULL at the end. */
const struct signature_type *type_at(unsigned i);
bool type_accepts(const struct signature_type *type, const char *file_name);
bool source_name_ok(const char *name);
/* A plain file name of any kind. */
bool file_name_ok(const char *name);
/* 16 lower-case hexadecimal digits: the head of a SHA-256. */
bool version_ok(const char *version);
