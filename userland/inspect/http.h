/*
 * http: HTTP/1 transactions, read by libhtp; streams of HTTP/2 come as such (http2.h).
 *
 * Only http*.c know libhtp: http.c feeds it and turns its callbacks into units, http_fill.c makes
 * the buffers, http_put.c the log. A request is a unit as soon as its headers are complete, that is
 * on the packet that completes them and before that packet goes on; then again as its body grows,
 * with the body so far. The response likewise in the other direction. The unit of the finished
 * transaction carries the event, and each body is a file (file.h). A flow that ends within a
 * transaction reports what there was.
 *
 * Buffers: uri is path and query, decoded and made canonical by libhtp; host is in lower case
 * without port; header is all header lines but the cookie, one "Name: value" a line, repeated ones
 * joined by ", "; bodies are decompressed.
 *
 * Limits: FILE_DATA_BYTES of a body are kept for the rules, HTTP_RAW_BYTES of header lines,
 * HTTP_TRANSACTIONS open at once, HTTP_HEADERS and HTTP_FIELD_BYTES a header line, HTTP_LAYERS of
 * compression, HTTP_BOMB_BYTES of decompressed data and HTTP_INFLATE_US of time for it; beyond,
 * libhtp flags or ends the transaction, the flow goes on. Buffers beyond the scratch are left out.
 */
#pragma once

#include "inspect/reader.h"

#define HTTP_RAW_BYTES 32768
#define HTTP_TRANSACTIONS 256
#define HTTP_HEADERS 1024
#define HTTP_FIELD_BYTES 18000
#define HTTP_LAYERS 3
#define HTTP_BOMB_BYTES (1 << 20)
#define HTTP_LZMA_BYTES (1 << 20) /* of dictionary */
#define HTTP_INFLATE_US 100000

/* A stream of HTTP/2 (http2.h): a reader that is fed text of HTTP/1. request_is_told: rules have
 * seen the request before, as one of HTTP/1. */
struct reader *http_stream_new(struct reader_env *env, uint32_t stream, bool request_is_told);

/* Before the first reader is made. */
void http_set_layers(unsigned layers);
