/*
 * download: one HTTP transfer in a process of its own, so that neither libcurl nor a slow server
 * has a hold on fetch.
 *
 * download_start() forks; the child writes the file and, last, one struct download_result into the
 * pipe; fetch reads it when the child has ended. The answer's words are a stranger's: they are cut,
 * and cleaned of what is not printable ASCII.
 *
 * Limits: struct download_limits; each one that is hit makes the transfer fail, with the limit as
 * reason. Refuses: other schemes than http and https, a redirection from https to http, a
 * certificate that does not verify, more than DOWNLOAD_REDIRECTS redirections.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#define DOWNLOAD_REDIRECTS 5
#define DOWNLOAD_TAG_CHARS 255

struct download_limits {
	uint64_t bytes;
	unsigned connect_s;
	unsigned total_s;
	unsigned slow_bytes_s; /* slower than this ... */
	unsigned slow_s;       /* ... for so long is given up */
};

extern const struct download_limits download_limits;

struct download_request {
	const char *url;
	const char *path;     /* the file, made anew */
	const char *etag;     /* of the last one, or "" */
	const char *modified; /* its Last-Modified, or "" */
	const struct download_limits *limits;
};

enum download_outcome {
	DOWNLOAD_FAILED, /* see why */
	DOWNLOAD_OK,
	DOWNLOAD_UNCHANGED, /* 304: the server says that we have it */
};

struct download_result {
	enum download_outcome outcome;
	uint64_t bytes;
	char etag[DOWNLOAD_TAG_CHARS + 1];
	char modified[64];
	char why[256];
};

/* In this process, until it is done. */
void download_perform(const struct download_request *rq, struct download_result *ret);
/* In a child: its pid and the pipe to read from when it has ended. */
int download_start(const struct download_request *rq, pid_t *ret_pid, int *ret_fd);
/* What the child said; a failure when it said nothing. */
void download_finish(int fd, struct download_result *ret);
