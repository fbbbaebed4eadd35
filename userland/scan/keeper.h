/*
 * keeper: the process that holds one compiled engine and keeps its workers going.
 *
 * scand's first process knows no signature and reads no mail: it starts a keeper, which loads the
 * database, lets the engine find the EICAR file, reports, and forks the workers from its own
 * memory. A new database means a new keeper; when that one has reported, the old one is told to go:
 * its workers finish what they have and the memory is given back as a whole, with the process.
 *
 * Custom signatures and YARA rules from the local folder are loaded along, each file by itself: one
 * that libclamav does not like is tried in a child first, named in the log and left out.
 *
 * Refuses: a database that does not load or does not find the sample is reported and never serves.
 */
#pragma once

#include <limits.h>
#include <sys/types.h>

#include "scan/pool.h"

#define KEEPER_STOP_MS 8000 /* a worker of the small lane is done sooner */

struct keeper_plan {
	char database[PATH_MAX]; /* the folder updated installed, resolved; "" for none */
	struct settings settings;
	const char *tmp;
	int listen_fd;
	struct scan_counters *counters;
};

struct keeper_report {
	bool good;
	unsigned signatures;
	unsigned workers;
	unsigned local_files, local_refused;
	uint64_t bytes;      /* resident, after compiling */
	uint64_t peak_bytes; /* while it loaded */
	uint64_t load_ms;
	char database[64];
	char why[256];
};

struct keeper {
	pid_t pid;     /* 0: none */
	int report_fd; /* the report; then its end when no worker accepts any more */
	struct keeper_plan plan;
	struct keeper_report report;
};

/* Forks. -errno. */
int keeper_start(struct keeper *k, const struct keeper_plan *plan);
/* When report_fd is readable: takes the report, or makes one of its absence. */
void keeper_read(struct keeper *k);
/* Tells it to go and waits until its workers accept no call any more, at most KEEPER_STOP_MS; then
 * it drains and ends by itself. */
void keeper_stop(struct keeper *k);
/* Until it has ended, which its own deadline bounds. */
void keeper_wait(struct keeper *k);
