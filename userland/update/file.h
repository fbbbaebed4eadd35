/*
 * file: whole files, copied with a limit and known by their hash.
 *
 * Refuses: to copy more than the caller's limit: -EFBIG.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HASH_CHARS 16
#define DIGEST_BYTES 64 /* the longest */
#define DIGEST_CHARS (2 * DIGEST_BYTES)

/* From the start of one to the present end of the other, at most max bytes. */
int file_copy(int from, int to, uint64_t max);
/* By OpenSSL's name of the digest: raw, which must be of this length, or in hexadecimal. */
int file_digest_raw(int fd, const char *name, uint8_t *out, unsigned bytes);
int file_digest(int fd, const char *name, char ret[DIGEST_CHARS + 1]);
/* Head of the SHA-256 of a file or text, in hexadecimal, with a NUL. */
int file_hash(int fd, char ret[HASH_CHARS + 1]);
int text_hash(const char *text, char ret[HASH_CHARS + 1]);
/* A whole small file; -EFBIG when it is larger than cap. */
int file_slurp(int fd, char *out, size_t cap, size_t *ret_bytes);
/* Removes a folder and all below it; links are removed, not followed. */
void folder_remove(const char *path);
/* A JSON text, by way of a temporary name: readers see the old one or the new one. */
int file_replace(const char *path, const char *text);
