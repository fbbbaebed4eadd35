/*
 * cvd: the container of a ClamAV database: 512 bytes of text and a tarball.
 *
 *	ClamAV-VDB:<build time>:<version>:<signatures>:<level>:<MD5>:<signature>:<builder>:<seconds>
 *
 * In a .cvd the tarball is compressed and the header signs it; in a .cld, which is what a CDIFF
 *makes of it, nothing signs the whole. Both hold <name>.info: the same header, size and SHA-256 of
 *every other file, and a signature over that. libclamav checks all of these when the engine loads
 *the file, and that both headers agree; what it does not notice is a file that is listed and
 *missing.
 *
 * Limits: CVD_BYTES unpacked, DELIVERY_FILES files.
 */
#pragma once

#include <stdint.h>

#include "lib/span.h"
#include "update/unpack.h"

#define CVD_HEADER_BYTES 512
#define CVD_BYTES (1ull << 30)

struct cvd_header {
	uint64_t version;
	uint64_t signatures;
	uint64_t built; /* seconds since 1970 */
};

bool cvd_header_read(struct span text, struct cvd_header *ret);
bool cvd_name_ok(const char *file_name); /* ends in .cvd or .cld */
/* Of the file's first 512 bytes. */
int cvd_header_load(int fd, struct cvd_header *ret);
/* All files of the container, into an empty folder. */
int cvd_unpack(int fd, int dir_fd, struct delivery_names *ret, const char **ret_why);
/* What <name>.info of the folder says, and whether every file that it lists is there. */
int cvd_info_check(int dir_fd, const char *stem, struct cvd_header *ret, const char **ret_why);
/* A .cld of the folder's files that <stem>.info lists. */
int cvd_pack(int dir_fd, const char *stem, int out_fd, const char **ret_why);
