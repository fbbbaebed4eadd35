/*
 * download: one HTTP transfer into a file.
 *
 * It waits: pull.h runs it in a process of its own, so that neither libcurl nor a slow server has a
 * hold on fetch. The answer's words are a stranger's: they are cut, and cleaned of what is not
 * printable ASCII.
 *
 * A request with a validator continues the file that is there (RFC 9110, sections 13.1.5 and 14.2),
 * if the server still has the same; otherwise the file is made anew. A failed transfer of which it
 * is worth continuing says so.
 *
 * Limits: struct download_limits; each one that is hit makes the transfer fail, with the limit as
 * reason. Refuses: other schemes than http and https, a redirection from https to http or, without
 * https, to another host, a certificate that does not verify, more than DOWNLOAD_REDIRECTS
 * redirections. Name and password are for the first host alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DOWNLOAD_REDIRECTS 5
#define DOWNLOAD_TAG_CHARS 255
#define DOWNLOAD_RETRY_MAX_S \
	21600                /* of Retry-After: later is not believed, nor told by libcurl \
			      */
#define DOWNLOAD_COOL_S 3600 /* after 403 and 429 without it: the server means us */

struct download_limits {
	uint64_t bytes;
	unsigned connect_s;
	unsigned total_s;
	unsigned slow_bytes_s; /* slower than this ... */
	unsigned slow_s;       /* ... for so long is given up */
};

extern const struct download_limits download_limits;

/* By which way, and as whom. NULL, or 0: not. */
struct download_way {
	const char *user_agent;
	const char *proxy_url, *proxy_user, *proxy_password;
	const char *user, *password;
	const char *ca_certificate; /* base64 of DER */
	uint64_t bytes_s;           /* not faster */
};

struct download_request {
	const char *url;
	const char *path;      /* the file */
	const char *etag;      /* of the last one, or "" */
	const char *modified;  /* its Last-Modified, or "" */
	const char *validator; /* of the beginning that is in the file; "": it is made anew */
	unsigned head_bytes;   /* no more than these are wanted; 0: all */
	const struct download_limits *limits;
	const struct download_way *way;
};

enum download_outcome {
	DOWNLOAD_FAILED, /* see why */
	DOWNLOAD_OK,
	DOWNLOAD_UNCHANGED, /* 304: the server says that we have it */
};

struct download_result {
	enum download_outcome outcome;
	int status;        /* of HTTP; 0: there was no answer */
	bool resumable;    /* what is in the file is the beginning of what `validator` names */
	uint64_t bytes;    /* in the file */
	uint64_t received; /* by this transfer */
	unsigned retry_after_s;
	char etag[DOWNLOAD_TAG_CHARS + 1];
	char modified[64];
	char validator[DOWNLOAD_TAG_CHARS + 1];
	char why[256];
};

void download_perform(const struct download_request *rq, struct download_result *ret);
/* Makes the texts of a result that came through a pipe safe to show. */
void download_clean(struct download_result *r);
void download_fail(struct download_result *r, const char *why);
