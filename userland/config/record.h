/*
 * record: one commit as a file of the store: who, when and why in a first line, then the
 *configuration.
 *
 *	{"serial":17,"time":1795521600,"user":"admin","comment":"new resolver","sha256":"..."}
 *	{
 *	  "sekisho:system": { ...
 *
 * The first line is JSON on its own, the rest is RFC 7951 JSON. sha256 is over the rest, so a file
 *that a disk or a cut has changed is told from one that was written so. A commit that waits for its
 * confirmation has `boot` and `deadline_us` as well: CLOCK_BOOTTIME of that boot, which no clock
 *setting moves; in another boot the deadline has passed.
 *
 * Refuses: a missing or broken first line, a wrong sum, anything above RECORD_BYTES_MAX.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_BYTES_MAX (4u << 20)
#define RECORD_USER_BYTES 64
#define RECORD_COMMENT_BYTES 1024

struct record {
	uint64_t serial; /* counts commits for ever */
	int64_t time_s;  /* UTC; what the clock said */
	char user[RECORD_USER_BYTES];
	char comment[RECORD_COMMENT_BYTES];
	char boot[33];        /* boot id of a commit to be confirmed; "" otherwise */
	uint64_t deadline_us; /* CLOCK_BOOTTIME */
};

/* The whole file on the heap, NULL when memory ran out. */
char *record_print(const struct record *r, const char *body);
/* Only the first line is read and the sum is not looked at: for a list of commits. */
bool record_parse_head(const char *text, size_t size, struct record *ret);
/* *ret_body is where in text the configuration begins. text ends with a NUL at size. */
bool record_parse(const char *text, size_t size, struct record *ret, const char **ret_body);

/* This boot and the time since it began, for a deadline. */
void record_set_deadline(struct record *r, unsigned seconds);
/* Seconds until the deadline, rounded up; 0 when it has passed, or belongs to another boot. */
unsigned record_seconds_left(const struct record *r);
