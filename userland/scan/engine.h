/*
 * engine: libclamav, compiled once, asked about one file at a time.
 *
 * A keeper calls engine_init() and engine_load(); the workers it forks share the compiled
 * database copy-on-write and call engine_scan(). A database folder holds any of libclamav's file
 * kinds (.cvd, .cld, .hdb, .hsb, .ndb, .ldb, .yar ...).
 *
 * What libclamav says comes in three kinds that are told apart here: a virus, a limit that was hit,
 * and facts (fact.h) such as an encrypted archive, which never hide a virus behind them.
 *
 * Limits: struct engine_limits. What reaches one of them is SCAN_LIMIT, never clean: the caller
 * decides what becomes of a message that could not be read to its end. Refuses: a folder without a
 * single signature; bytecode that ClamAV did not sign.
 */
#pragma once

#include <stdbool.h>

#include "lib/span.h"

struct engine_limits {
	uint64_t total_bytes; /* all that is unpacked from one part */
	uint64_t file_bytes;  /* one file in it */
	unsigned depth;
	unsigned files;
	unsigned time_ms; /* for one part */
};

enum scan_result {
	SCAN_CLEAN,
	SCAN_ERROR,
	SCAN_AMBIGUOUS,
	SCAN_LIMIT,
	SCAN_INFECTED,
};
#define SCAN_RESULTS (SCAN_INFECTED + 1)

/* The worse of two results is the greater one. */
struct scan_verdict {
	enum scan_result result;
	char signature[96]; /* what was found, or why it failed; else "" */
	char limit[12];     /* which limit was hit: size, files, depth, time; else "" */
	char detail[96];    /* a name inside the file that a fact comes from; else "" */
	uint32_t facts;     /* FACT_* */
};

struct engine;

/* A mail that lay in an archive or a document. */
typedef void (*engine_mail)(void *ctx, struct span mail);

/* Once a process. -EIO when the library does not start. */
int engine_init(void);
/* Loads and compiles every database of the n folders; a folder behind `needed` may be missing or
 * empty. tmp is where databases and attachments are unpacked. On failure *ret_why (heap) says which
 * folder and what libclamav thinks of it. */
int engine_load(const char *const *dirs, unsigned n, unsigned needed, const char *tmp,
	const struct engine_limits *limits, struct engine **ret, char **ret_why);
void engine_free(struct engine *e);
unsigned engine_signatures(const struct engine *e);
/* Where attachments are unpacked from now on: each worker has a folder of its own. */
int engine_set_tmp(struct engine *e, const char *tmp);
void engine_set_time(struct engine *e, unsigned time_ms);

struct engine_call {
	struct span bytes;
	bool parse_mail; /* libclamav's own reader too */
	engine_mail on_mail;
	void *ctx;
};
void engine_scan(const struct engine *e, const struct engine_call *call, struct scan_verdict *ret);
/* True when the engine finds the EICAR test file, which every ClamAV database knows. */
bool engine_finds_sample(const struct engine *e);
/* "clean", "infected", "limit", "ambiguous", "error" */
const char *scan_result_name(enum scan_result result);
void engine_limits_defaults(struct engine_limits *limits);
