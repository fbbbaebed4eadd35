/*
 * checksum: the check sum that a source publishes beside its file.
 *
 * The text is the sum in hexadecimal, alone or as md5sum and sha256sum write it, with a name
 * behind. It says that the file arrived as it was sent, not who sent it: for that there is
 * signature.h.
 *
 * Refuses: a text that does not begin with a sum of the kind's length.
 */
#pragma once

#include <stdbool.h>

#include "lib/span.h"

#define CHECKSUM_TEXT_BYTES 4096

enum checksum_kind {
	CHECKSUM_NONE,
	CHECKSUM_MD5,
	CHECKSUM_SHA256,
	CHECKSUM_KINDS,
};

/* Index of the kind of that name, or -1. */
int checksum_kind_find(const char *name);
/* ".md5" */
const char *checksum_suffix(enum checksum_kind kind);
/* 0, or -EBADMSG with *ret_why, a constant. */
int checksum_verify(enum checksum_kind kind, int fd, struct span text, const char **ret_why);
