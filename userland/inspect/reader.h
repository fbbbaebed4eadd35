/*
 * reader: understands one application protocol well enough to cut a flow into units for the rules.
 *
 * sniff() names the protocol from the first bytes of a direction. For HTTP, TLS and DNS a reader is
 * made, which is fed what the stream delivers (or each datagram) and calls back with a struct unit
 * for each finished piece: the rules look at its buffers, and when `event` is set the transaction
 * goes to the log. Spans of a unit live until the callback returns.
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

#define SNIFF_BYTES 64
#define READERS_MAX 16384
#define READER_SCRATCH_BYTES 65536
#define UNIT_SIDS 16

/* Sids that matched in this transaction: a unit that repeats its buffers does not repeat them. */
struct unit_seen {
	uint32_t sid[UNIT_SIDS];
	uint8_t n;
};

enum unit_event { EVENT_NONE, EVENT_HTTP, EVENT_TLS, EVENT_DNS };

struct unit {
	bool to_server;
	struct span buffer[BUFFER_COUNT];
	struct unit_seen *seen; /* NULL: the unit is the whole transaction */
	enum unit_event event;
	bool log_only; /* the rules have seen all of it before */
	struct {
		struct span protocol, content_type;
		int status;
		uint64_t request_bytes, response_bytes;
	} http;
	struct {
		uint16_t version;
	} tls;
	struct {
		uint16_t id, type;
		bool answer;
		uint8_t rcode;
	} dns;
};

typedef void unit_fn(void *ctx, const struct unit *u);

/* What the thread lends to a reader while it is fed. */
struct reader_env {
	unit_fn *fn;
	void *ctx;
	struct timeval at;
	size_t body_bytes; /* kept by all readers of the thread */
	uint8_t scratch[READER_SCRATCH_BYTES];
};

enum reader_result { READER_OK, READER_DONE, READER_FAILED };

struct reader;

struct reader_ops {
	struct reader *(*new)(void); /* NULL: out of memory */
	enum reader_result (*feed)(
		struct reader *r, struct reader_env *env, bool to_server, struct span data);
	void (*free)(struct reader *r);
};

struct reader {
	const struct reader_ops *ops;
};

extern const struct reader_ops reader_http, reader_tls, reader_dns_udp, reader_dns_tcp;

/* NULL when the protocol has none. */
const struct reader_ops *reader_for(enum rule_proto proto, uint8_t ip_proto);

enum sniff { SNIFF_MORE, SNIFF_NO, SNIFF_YES };

/* start: the first bytes of this direction. */
enum sniff sniff_stream(
	struct span start, bool to_server, uint16_t server_port, enum rule_proto *ret);
enum sniff sniff_datagram(struct span data, uint16_t server_port, enum rule_proto *ret);

/* "http", or NULL for what is no application protocol. */
const char *app_proto_name(enum rule_proto proto);
