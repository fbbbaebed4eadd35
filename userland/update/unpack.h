/*
 * unpack: takes the wanted files out of a tarball, into a folder of our own.
 *
 * The path inside the archive is dropped: rules/a.rules becomes a.rules. Files of other kinds are
 * passed over.
 *
 * Limits: tar.h, the caller's bytes, and DELIVERY_FILES files.
 * Refuses: what is not gzip (unless plain is allowed), is cut off, has a wrong check sum (RFC
 * 1952), or holds a name twice.
 */
#pragma once

#include <sys/types.h>

#include "update/type.h"

#define UNPACK_BYTES (256ull << 20) /* of a tarball of rules */

struct delivery_names {
	unsigned n;
	char name[DELIVERY_FILES][FILE_NAME_CHARS + 1];
};

struct unpack_form {
	off_t at;                          /* where the archive begins */
	bool plain;                        /* may be uncompressed */
	bool open_end;                     /* may lack the end marker */
	const struct signature_type *type; /* whose files are wanted; NULL: all */
	uint64_t bytes;
};

/* 0, or -EBADMSG and the like with *why, a constant. */
int unpack(int fd, const struct unpack_form *form, int dir_fd, struct delivery_names *ret,
	const char **why);
