/*
 * http_tx: one HTTP transaction as the rules and the log see it. Private to http*.c.
 */
#pragma once

#include <htp/htp.h>

#include "inspect/reader.h"

struct http_raw {
	uint8_t *bytes;
	size_t n, room;
};

struct http_tx {
	struct http_tx *next;
	htp_tx_t *tx;
	uint32_t id;
	bool request_reported, response_reported, logged;
	struct span boundary;   /* of a multipart request, in its headers */
	struct http_raw raw[2]; /* header lines as they came, by to_server */
	struct file body[2];    /* by to_server */
	struct event_list events;
	struct event_list echo[2]; /* told in one direction, for rules of the other */
	struct unit_seen seen;
};

/* Fills the buffers of one direction that rules want, with env's scratch. */
void http_fill(struct unit *u, struct reader_env *env, const struct http_tx *t);
unit_put_fn http_put;
/* What libhtp says about the connection or transaction, as an event; EVENT_ID_NONE: nothing. */
enum event_id http_event(const char *message, bool to_server);
/* The name in Content-Disposition, else the path of the request. */
struct span http_file_name(const htp_tx_t *tx, bool to_server);

static inline struct span span_bstr(const bstr *b)
{
	return b ? span_of(bstr_ptr(b), bstr_len(b)) : (struct span){};
}
