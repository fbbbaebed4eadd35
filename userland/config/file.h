/* file: replaces a file whole, by rename from a new one beside it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* durable: its bytes are on the disk before it has the name; the folder is the caller's to sync. 0,
 * 1 when the file already held this text and was left alone (never when durable), or -errno. */
int file_replace(const char *path, const char *text, mode_t mode, bool durable);
/* The same for a file that a group may read, and others may not. */
int file_replace_group(const char *path, const char *text, mode_t mode, gid_t group);
