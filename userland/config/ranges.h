/*
 * ranges: a set of addresses as sorted ranges, which is what the kernel keeps of an interval set.
 *
 * A list file is read into two of them, one a family; what is to be spared is taken out; what is
 * left is written as the elements of an nftables set. Ranges that touch or overlap become one: the
 * kernel refuses overlaps, and having libnftables merge them costs it more than the rest.
 *
 * The file is the form that updated installs (update/list.h): one address or prefix a line.
 * Limits: the caller's number of entries; RANGES_LINE_BYTES a line. Refuses: a line that is neither
 * address nor prefix: such a file was not written by updated, or not to its end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define RANGES_LINE_BYTES 64

typedef unsigned __int128 address_t; /* in host order; IPv4 in the lowest 32 bits */

struct range {
	address_t from, to; /* both inclusive */
};

struct ranges {
	struct range *v;
	size_t n, cap;
};

enum { RANGES_V4, RANGES_V6, RANGES_FAMILIES };

void ranges_fini(struct ranges r[RANGES_FAMILIES]);
/* An address or prefix, to the family it is of. -EINVAL, -ENOMEM. */
int ranges_add(struct ranges r[RANGES_FAMILIES], const char *text);
/* Adds every line. 0 and the number of lines; -EBADMSG, -E2BIG (more than max lines), -errno. */
int ranges_read(struct ranges r[RANGES_FAMILIES], FILE *in, size_t max, size_t *ret_lines);
/* Sorts and joins. */
void ranges_join(struct ranges r[RANGES_FAMILIES]);
/* Both are joined. */
int ranges_subtract(struct ranges r[RANGES_FAMILIES], const struct ranges spare[RANGES_FAMILIES]);
/* "192.0.2.0-192.0.2.255, 198.51.100.7" */
void ranges_put(FILE *out, const struct ranges *r, bool v6);
