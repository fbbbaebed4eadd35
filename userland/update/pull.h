/*
 * pull: everything that one try of one source downloads, in a process of its own.
 *
 * pull_start() forks; the child puts the files into the try's folder and, last, one struct
 * pull_result into the pipe, which fetch reads when the child has ended.
 *
 * A source is a file (`main`), and what vouches for it (`checksum`, `signature`). Of a .cvd of
 * which we have a version, only the first bytes are asked for: they name the server's version, and
 * the steps to it, cdiff-<version>, are fetched. A step that the server does not have, or a way of
 * more than PULL_CDIFFS_MAX, means the whole file.
 *
 * A transfer of `main` that broke off is continued by the next try: its validator lies beside it.
 *
 * Limits: download.h for each file, PULL_SMALL_BYTES for all but `main`. Refuses: what the server
 * itself dates PULL_OLDER_S before what we have (the servers behind one name may differ by less),
 * unless the administrator has confirmed.
 */
#pragma once

#include <sys/types.h>

#include "update/download.h"
#include "update/settings.h"

#define PULL_CDIFFS_MAX 40
#define PULL_SMALL_BYTES (16u << 20)
#define PULL_OLDER_S 86400

struct pull_request {
	const struct source *source;
	const struct settings *settings;
	const struct download_limits *limits;
	const char *folder; /* exists */
	bool whole;         /* no steps */
	bool confirmed;     /* an older file is taken */
};

struct pull_result {
	struct download_result download;  /* outcome and reason of the whole; tags of `main` */
	uint64_t bytes;                   /* received, all files */
	uint64_t first_cdiff, last_cdiff; /* the steps that came; 0: `main` came */
	uint64_t released;                /* by the server's Last-Modified; 0: not said */
	bool unconfirmed;                 /* refused for what Confirm would allow */
};

void pull_perform(const struct pull_request *rq, struct pull_result *ret);
int pull_start(const struct pull_request *rq, pid_t *ret_pid, int *ret_fd);
/* What the child said; a failure when it said nothing. */
void pull_finish(int fd, struct pull_result *ret);
