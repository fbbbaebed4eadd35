/*
 * reader: understands one application protocol well enough to cut a flow into units for the rules.
 *
 * sniff() names the protocol from the first bytes of a direction. A reader is made for it, which is
 * fed what the stream delivers (or each datagram) and calls back with a struct unit for each
 * finished piece: the rules look at its buffers, and when `event` is set the transaction goes to
 * the log. Spans of a unit live until the callback returns.
 *
 * Refuses: data that is not the protocol is READER_FAILED; the flow goes on without its reader, raw
 * stream rules still apply. READER_DONE: nothing more will come that a reader could see.
 *
 * Limits: READERS_MAX readers a thread, further flows go without (counted); what is within one
 * flow, with each reader. SNIFF_BYTES without an answer: no protocol.
 */
#pragma once

#include "inspect/decode.h"
#include "inspect/detect.h"
#include "inspect/file.h"

#define SNIFF_BYTES 64
#define READERS_MAX 16384
#define READER_SCRATCH_BYTES 65536

struct unit;

/* Writes the application's own objects ("http", "dns", ...) into an event. whole: it is the event
 * of the transaction; else they stand beside an alert. */
typedef void unit_put_fn(struct jsonw *w, const struct unit *u, bool whole);

#define UNIT_MORE 64

struct unit {
	bool to_server;
	bool log_only;     /* the rules have seen all of it before */
	const char *event; /* type of the event that this unit is, or NULL */
	struct span buffer[BUFFER_COUNT];
	const struct buffer_more *more; /* further values of buffers that have several */
	unsigned more_n;
	struct event_list events;
	bool lasts; /* tx is there until a unit with an event comes of it, or its reader ends */
	bool echo;  /* the events were told in the other direction: for rules of this one */
	struct unit_seen *seen; /* NULL: the unit is the whole transaction */
	uint32_t tx_id;
	unit_put_fn *put;
	const void *tx;          /* the reader's own, for put */
	const struct file *file; /* of the transaction; an alert shows it */
	bool file_done;          /* it is complete or cut short: a fileinfo event */
};

typedef void unit_fn(void *ctx, const struct unit *u);

/* What the thread lends to a reader while it is fed. */
struct reader_env {
	unit_fn *fn;
	void *ctx;
	struct timeval at;
	uint64_t wanted; /* buffers that rules look at (BUFFER_BIT) */
	bool hash_files;
	size_t file_bytes;               /* kept by all readers of the thread */
	unsigned http2_n, http2_streams; /* likewise, those that are open */
	struct buffer_more more[UNIT_MORE];
	uint8_t scratch[READER_SCRATCH_BYTES];
};

enum reader_result { READER_OK, READER_DONE, READER_FAILED };

struct reader;

struct reader_ops {
	/* NULL: out of memory. env must outlive the reader. */
	struct reader *(*new)(struct reader_env *env);
	/* data.p is NULL for a hole of data.n bytes, where `holes` says that it is understood. */
	enum reader_result (*feed)(struct reader *r, bool to_server, struct span data);
	/* This direction has ended: orderly by FIN, or with its flow. NULL: nothing to do. */
	enum reader_result (*end)(struct reader *r, bool to_server, bool orderly);
	void (*free)(struct reader *r);
	bool holes;
};

struct reader {
	const struct reader_ops *ops;
	struct reader_env *env;
};

extern const struct reader_ops reader_http, reader_http2, reader_tls, reader_dns_udp,
	reader_dns_tcp, reader_ssh, reader_ftp, reader_smtp;

/* NULL when the protocol has none. */
const struct reader_ops *reader_for(enum rule_proto proto, uint8_t ip_proto);

enum sniff { SNIFF_MORE, SNIFF_NO, SNIFF_YES };

/* start: the first bytes of this direction. */
enum sniff sniff_stream(
	struct span start, bool to_server, uint16_t server_port, enum rule_proto *ret);
/* DNS is expected on this port as well as on 53. Before there are other threads. */
void sniff_dns_port(uint16_t port);
enum sniff sniff_datagram(struct span data, uint16_t server_port, enum rule_proto *ret);

/* "http", or NULL for what is no application protocol. */
const char *app_proto_name(enum rule_proto proto);
