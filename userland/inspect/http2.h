/*
 * http2: HTTP/2 in the clear, with prior knowledge or after an upgrade (h2c).
 *
 * Frames are read here, header blocks become text (http2_head.h), and each stream is given to a
 * reader of HTTP/1 of its own as if it were a connection: request line and header lines, then the
 * body of its DATA frames. So http.* buffers, bodies, files and events come of the same code for
 * both. Such a unit says HTTP/2 for the protocol and its event has the number of the stream. What a
 * server promises is a request as well.
 *
 * Refuses (READER_FAILED): a wrong preface, frames out of order, a block that HPACK cannot be read
 * from. Limits: HTTP2_STREAMS open at once in a connection and HTTP2_STREAMS_ALL a thread, further
 * ones are told as an event and only their header blocks are followed; HTTP2_BLOCK_BYTES of header
 * block and HTTP2_TABLE_BYTES of HPACK table, more ends the reader; HTTP2_CONNECTIONS a thread,
 * further ones go without a reader. A response to a stream that was upgraded has a request that
 * rules have seen before. Sources: RFC 9113, RFC 7540 (section 3.2, upgrade), RFC 7541.
 */
#pragma once

#include "inspect/reader.h"

#define HTTP2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define HTTP2_STREAMS 64
#define HTTP2_STREAMS_ALL 16384
#define HTTP2_CONNECTIONS 1024
#define HTTP2_BLOCK_BYTES (128u << 10)
#define HTTP2_TABLE_BYTES (64u << 10)

/* The rest of a connection that became HTTP/2. request: the one that asked for it, as lines of
 * HTTP/1: its response comes in stream 1. NULL: none can be made. */
struct reader *http2_upgraded(struct reader_env *env, struct span request);
/* A server's connection begins with its settings, maybe before the client has said anything. */
enum sniff http2_sniff_server(struct span start);
