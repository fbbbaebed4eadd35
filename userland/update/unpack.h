/*
 * unpack: takes the wanted files out of a gzip-compressed tarball, into a folder of our own.
 *
 * The path inside the archive is dropped: rules/a.rules becomes a.rules. Files of other kinds are
 * passed over.
 *
 * Limits: tar.h, and DELIVERY_FILES files.
 * Refuses: what is not gzip, is cut off, has a wrong check sum (RFC 1952), or holds a name twice.
 */
#pragma once

#include "update/type.h"

struct delivery_names {
	unsigned n;
	char name[DELIVERY_FILES][FILE_NAME_CHARS + 1];
};

/* 0, or -EBADMSG and the like with *why, a constant. */
int unpack(int fd, const struct signature_type *type, int dir_fd, struct delivery_names *ret,
	const char **why);
