/*
 * http: HTTP/1 transactions, read by libhtp.
 *
 * The only file that knows libhtp. A request is a unit as soon as its headers are complete, that is
 * on the packet that completes them and before that packet goes on; then again for each piece of
 * its body, with the body so far. The response likewise in the other direction. The unit of the
 * finished transaction carries the event.
 *
 * Buffers: uri is path and query, decoded and made canonical by libhtp; host is in lower case
 * without port; header is all header lines but the cookie, one "Name: value" a line, repeated ones
 * joined by ", ".
 *
 * Limits: HTTP_BODY_BYTES of a body and HTTP_BODIES_BYTES a thread are kept for the rules,
 * HTTP_TRANSACTIONS open at once, HTTP_FIELD_BYTES a header line, HTTP_BOMB_BYTES of decompressed
 * data and HTTP_INFLATE_US of time for it; beyond, libhtp flags or ends the transaction, the flow
 * goes on. Headers beyond the scratch are left out of the buffer.
 */
#pragma once

#include "inspect/reader.h"

#define HTTP_BODY_BYTES 16384
#define HTTP_BODIES_BYTES (32u << 20)
#define HTTP_TRANSACTIONS 256
#define HTTP_FIELD_BYTES 18000
#define HTTP_BOMB_BYTES (1 << 20)
#define HTTP_INFLATE_US 100000
