/*
 * worker: one process that scans one message at a time.
 *
 *	interface io.sekisho.Scan
 *	method Scan() -> (result: string, signature: string, database: string)
 *	error Refused (why: string)
 *
 * The message is the call's first descriptor: a memfd sealed against every change, so that it
 *cannot shrink under the reader. A worker accepts only while it is idle, so the others take what
 *comes meanwhile; a connection carries one call and is closed after the reply. SIGTERM is heeded
 *between two connections: a worker that is told to go finishes what it has.
 *
 * Limits: WORKER_*. A client that does not send its call in time is hung up on; a scan that
 *outlasts its time ends the worker, and the client sees the connection close.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "scan/engine.h"

#define WORKER_CALL_MS 10000
#define WORKER_SCAN_S 60        /* libclamav's own limit comes first, when it looks at the clock */
#define WORKER_RETIRE_CPU_S 300 /* then a fresh one takes over, far from the CPU limit */

/* Shared with the parent, which only shows them: a taken-over worker may write what it likes here.
 */
struct scan_counters {
	_Atomic uint64_t by_result[SCAN_ERROR + 1];
};

struct worker {
	struct engine *engine;
	const char *database; /* its name, for the reply */
	const char *tmp;      /* this worker's own folder */
	int listen_fd;        /* non-blocking, shared by all */
	struct scan_counters *counters;
	bool answered; /* the call of this connection */
};

/* Enters the sandbox and serves; the exit status of the process. */
int worker_run(struct worker *w);
