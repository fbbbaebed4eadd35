/*
 * list: reads a list of addresses or of domain names as they are published, and writes it down in
 * the one form that the engines load: one entry a line, canonical, without comments.
 *
 * A line holds one entry, or, with commas, columns of which one is wanted (in quotes or not). What
 * follows "#", ";" or "//" is a comment. Addresses: IPv4, IPv6 and prefixes; host bits of a prefix
 * are cleared. Domains: letters, digits, hyphen and underscore between dots, in lower case; a line
 * of a hosts file ("0.0.0.0 bad.example"), "*.bad.example", ".bad.example" and "||bad.example^" all
 * mean bad.example.
 *
 * Limits: LIST_LINE_BYTES a line, LIST_ENTRIES_MAX entries: beyond, the list is refused. A line
 * that is no entry is passed over; when they are more than one in ten, this is another kind of file
 * and is refused. Refuses: 0.0.0.0/0 and ::/0 and prefixes nearly as short (under /8 and /16): an
 * accident that would block the world.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/span.h"
#include "update/type.h"

#define LIST_LINE_BYTES 2048
#define LIST_ENTRIES_MAX 1000000
#define LIST_ENTRY_CHARS 255

enum list_line {
	LIST_EMPTY, /* nothing but a comment */
	LIST_ENTRY,
	LIST_BAD,
	LIST_TOO_WIDE,
};

/* One line, without its end. */
enum list_line list_line_read(
	enum list_kind kind, unsigned column, struct span line, char out[LIST_ENTRY_CHARS + 1]);
/* 0 and the number of entries; -EBADMSG with the reason in why. */
int list_copy(enum list_kind kind, unsigned column, int from, int to, uint64_t *ret_count,
	char *why, size_t why_cap);
