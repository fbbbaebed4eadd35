/*
 * cdiff: brings the unpacked files of a ClamAV database from one version to the next.
 *
 * A CDIFF is a line of text ("ClamAV-Diff:<version>:<bytes of the script>:"), the script compressed
 * by gzip, and a signature. The script opens one file at a time by OPEN, changes it by ADD, DEL and
 * XCHG, whose line numbers are those of the file as it was, and CLOSE does it; MOVE and UNLINK
 * stand outside. DEL, XCHG and MOVE quote the beginning of the line that they mean.
 *
 * The signature of the script is not looked at: what comes out is a database whose own, signed list
 * of its files (<name>.info) the engine checks, and which is refused if one byte differs (ADR
 * 0014).
 *
 * Limits: CDIFF_BYTES of script, CDIFF_EDITS changed lines between OPEN and CLOSE. Refuses: a line
 * that does not begin as quoted, a line number that is not there or comes twice, names that are not
 * plain file names, commands out of order. What has been changed until then stays changed: the
 * caller throws the folder away.
 */
#pragma once

#include <stdint.h>

#include "lib/span.h"

#define CDIFF_BYTES (64u << 20)
#define CDIFF_EDITS (1u << 20)

/* The file of a CDIFF, which must be the step to this version. 0, or -errno with *ret_why, a
 * constant. */
int cdiff_apply(int fd, int dir_fd, uint64_t version, const char **ret_why);
/* A script that is unpacked already. */
int cdiff_script_apply(struct span script, int dir_fd, const char **ret_why);
