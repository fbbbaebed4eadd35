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
	struct reader_env *env;
	uint32_t id;
	uint32_t stream; /* of HTTP/2; 0: HTTP/1 */
	bool request_reported, response_reported, logged;
	struct span boundary;   /* of a multipart request, in its headers */
	struct http_raw raw[2]; /* header lines as they came, by to_server */
	struct file body[2];    /* by to_server */
	struct event_list events;
	struct event_list echo[2]; /* told in one direction, for rules of the other */
	struct unit_seen seen;
};

void http_tx_free(struct http_tx *t);
/* A unit of one direction, with all that rules may look at in it. */
void http_tx_tell(struct http_tx *t, bool to_server);
void http_tx_tell_events(struct http_tx *t, bool to_server);
void http_tx_tell_echo(struct http_tx *t);
/* The event of the whole transaction. */
void http_tx_log(struct http_tx *t);
/* Headers that never end, or that libhtp gave up on: rules see those that came. */
void http_tx_report_begun(struct http_tx *t);
void http_tx_report_file(struct http_tx *t, struct file *f, enum file_state state);
/* Each file of a form, from what is kept of the body. */
void http_tx_report_parts(struct http_tx *t);
/* Rules look at a body when enough has come. */
void http_tx_look(struct http_tx *t, struct file *f);
void http_tx_look_whole(struct http_tx *t, struct file *f);
void http_tx_keep_raw(struct http_tx *t, bool to_server, struct span data);
/* Oddities that libhtp keeps as flags of the transaction. */
void http_tx_flags(struct http_tx *t);

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
