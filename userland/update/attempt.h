/*
 * attempt: one try of one source: download, then verify, which passes on to install. It owns the
 * child and the call, and reports once, through the callback, which may free it.
 *
 * Limits: download.h; ATTEMPT_VERIFY_S for the rest.
 */
#pragma once

#include <systemd/sd-event.h>

#include "update/source.h"

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
	bool changed; /* something new is active */
	uint64_t bytes;
	uint64_t count;
	char version[17];
	char etag[DOWNLOAD_TAG_CHARS + 1];
	char modified[64];
	char why[256];
};

/* The last thing an attempt does. */
typedef void (*attempt_done)(void *ctx, struct source *s, const struct attempt_result *result);

const char *attempt_step_name(enum attempt_step step);
int attempt_start(
	sd_event *event, struct source *s, attempt_done done, void *ctx, struct attempt **ret);
/* Ends the child and the call, removes the partial file; NULL is allowed. */
void attempt_free(struct attempt *a);
