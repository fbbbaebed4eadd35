/*
 * worker: one process that scans one message at a time.
 *
 *	interface io.sekisho.Scan
 *	method Scan(queue_id: ?string, ip: ?string, mail_from: ?string) -> (see report.h)
 *	error Refused (why: string)
 *	error Busy (why: string)
 *	error Reloading (why: string)
 *
 * The message is the call's first descriptor: a memfd sealed against every change, so that it
 *cannot shrink under the reader. A worker of the small lane accepts only while it is idle, so the
 *others take what comes meanwhile; it passes on what is large or takes long (lane.h). A connection
 *carries one call and is closed after the reply. SIGTERM is heeded between two calls: a worker that
 *is told to go finishes what it has, and one of the large lane also what waits in the lane.
 *
 * Limits: WORKER_*. A scan that outlasts its time ends the worker, and the client sees the
 *connection close. What it was at stands in the mark, for whoever buries it.
 */
#pragma once

#include <stdatomic.h>

#include "scan/call.h"
#include "scan/settings.h"

#define WORKER_GRACE_S \
	3 /* beyond all limits of the library, which looks at the clock now and then */
#define WORKER_RETIRE_CPU_S 300 /* then a fresh one takes over, far from the CPU limit */

enum lane { LANE_SMALL, LANE_LARGE, LANES };

/* Shared with the parents, which only show them: a taken-over worker may write what it likes here.
 */
struct scan_counters {
	_Atomic uint64_t by_result[SCAN_RESULTS];
	_Atomic uint64_t bytes, parts, cached;
	_Atomic uint64_t passed_on; /* from the small lane to the large one */
	_Atomic uint64_t busy, refused;
	_Atomic uint64_t crashes;
	_Atomic uint32_t workers; /* of the present engine */
};

struct worker_mark {
	char text[CALL_MARK_BYTES]; /* "" between two calls */
	char part[MESSAGE_PART_BYTES];
	_Atomic uint32_t ready; /* it is in its sandbox and accepts */
};

struct worker {
	enum lane lane;
	struct engine *engine;
	const char *database; /* its name, for the reply */
	const char *tmp;      /* this worker's own folder */
	int input_fd;         /* non-blocking: the listening socket, or the lane's end */
	int lane_fd;          /* where the small lane sends to; -1 in the large one */
	const struct settings *settings;
	struct scan_counters *counters;
	struct worker_mark *mark;
	struct scanner scanner;
};

/* Enters the sandbox and serves; the exit status of the process. */
int worker_run(struct worker *w);
