/*
 * attempt: one try of one source: download (pull.h), then verify, which passes on to install. It
 * owns the child and the call, and reports once, through the callback, which may free it.
 *
 * A file that the administrator brings (attempt_import) goes the same way without the first step.
 * When the steps (CDIFF) to a new version do not fit what is installed, the whole file is fetched
 * in the same try.
 *
 * Limits: download.h; ATTEMPT_VERIFY_S for the rest.
 */
#pragma once

#include <systemd/sd-event.h>

#include "update/settings.h"

#define ATTEMPT_VERIFY_S 1800

enum attempt_step {
	STEP_DOWNLOAD,
	STEP_VERIFY,
	STEP_INSTALL,
	STEP_ACTIVATE,
	STEPS,
};

struct attempt_result {
	enum attempt_step step; /* the last one, which failed or ended the try */
	bool ok;
	bool changed;     /* something new is active */
	bool unconfirmed; /* refused for what Confirm would allow */
	bool imported;
	uint64_t bytes;
	uint64_t count;
	uint64_t serial;
	uint64_t released;
	uint64_t steps;   /* CDIFFs that were applied */
	uint64_t peak_kb; /* memory of the engine that tried it */
	bool cut_short;   /* that had too little of it: trial.h */
	unsigned retry_after_s;
	char version[17];
	char etag[DOWNLOAD_TAG_CHARS + 1];
	char modified[64];
	char why[256];
};

/* The last thing an attempt does. */
typedef void (*attempt_done)(void *ctx, struct source *s, const struct attempt_result *result);

struct attempt_request {
	sd_event *event;
	struct source *source;
	const struct settings *settings; /* until the end of the try */
	bool confirmed;
	attempt_done done;
	void *ctx;
};

const char *attempt_step_name(enum attempt_step step);
int attempt_start(const struct attempt_request *rq, struct attempt **ret);
/* fd: the file; it is taken. signature_fd: -1, or what vouches for it; taken too. */
int attempt_import(
	const struct attempt_request *rq, int fd, int signature_fd, struct attempt **ret);
/* Ends the child and the call; NULL is allowed. */
void attempt_free(struct attempt *a);
