/*
 * file: whole files, copied with a limit and known by their hash.
 *
 * Refuses: to copy more than the caller's limit: -EFBIG.
 */
#pragma once

#include <stdint.h>

#define HASH_CHARS 16

/* From the start of one to the present end of the other, at most max bytes. */
int file_copy(int from, int to, uint64_t max);
/* Head of the SHA-256 of a file or text, in hexadecimal, with a NUL. */
int file_hash(int fd, char ret[HASH_CHARS + 1]);
int text_hash(const char *text, char ret[HASH_CHARS + 1]);
/* Removes a folder and all below it; links are removed, not followed. */
void folder_remove(const char *path);
/* A JSON text, by way of a temporary name: readers see the old one or the new one. */
int file_replace(const char *path, const char *text);
