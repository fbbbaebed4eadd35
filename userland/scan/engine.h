/*
 * engine: libclamav, compiled once, asked about one message at a time.
 *
 * The parent calls engine_init() and engine_load(); the workers it forks share the compiled
 * database copy-on-write and call engine_scan(). A database folder holds any of libclamav's file
 * kinds (.cvd, .cld, .hdb, .hsb, .ndb, .ldb ...).
 *
 * Limits: SCAN_* below. What reaches one of them is SCAN_LIMIT, never clean: the caller decides
 * what becomes of a message that could not be read to its end. Refuses: a folder without a single
 * signature; bytecode that ClamAV did not sign.
 */
#pragma once

#include <stdbool.h>

#define SCAN_TOTAL_BYTES (400u << 20) /* all that is unpacked from one message */
#define SCAN_FILE_BYTES (100u << 20)  /* one file in it */
#define SCAN_RECURSION 17
#define SCAN_FILES 10000
#define SCAN_TIME_MS 30000

enum scan_result {
	SCAN_CLEAN,
	SCAN_INFECTED,
	SCAN_LIMIT,
	SCAN_ERROR,
};

struct scan_verdict {
	enum scan_result result;
	const char *signature; /* what was found, which limit was hit, or why it failed; else "" */
};

struct engine;

/* Called now and then while a database loads: a big one takes half a minute. */
typedef void (*engine_progress)(void);

/* Once a process. -EIO when the library does not start. */
int engine_init(void);
/* Loads and compiles every database of the n folders. tmp is where databases and attachments are
 * unpacked. On failure *ret_why (heap) says which folder and what libclamav thinks of it. */
int engine_load(const char *const *dirs, unsigned n, const char *tmp, engine_progress progress,
	struct engine **ret, char **ret_why);
void engine_free(struct engine *e);
unsigned engine_signatures(const struct engine *e);
/* Where attachments are unpacked from now on: each worker has a folder of its own. */
int engine_set_tmp(struct engine *e, const char *tmp);
void engine_scan(const struct engine *e, int fd, struct scan_verdict *ret);
/* True when the engine finds the EICAR test file, which every ClamAV database knows. */
bool engine_finds_sample(const struct engine *e);
/* "clean", "infected", "limit", "error" */
const char *scan_result_name(enum scan_result result);
