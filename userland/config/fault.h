/*
 * fault: what a person must change, and into what.
 *
 * Filled in by whoever refuses a setting or a commit; travels to the command line as the
 * parameters of a Varlink error. Every field is on the heap or NULL.
 */
#pragma once

struct fault {
	char *path;     /* words, as typed: inspection queues */
	char *value;    /* what was given */
	char *why;      /* one sentence */
	char *accepted; /* what would have been taken */
};

/* Replaces what the fault held; NULL leaves a field empty. Returns error, for the caller's return.
 */
int fault_set(struct fault *f, int error, const char *path, const char *value, const char *accepted,
	const char *why_format, ...) __attribute__((format(printf, 6, 7)));
void fault_fini(struct fault *f);
