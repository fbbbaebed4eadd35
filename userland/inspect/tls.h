/*
 * tls: reads what a TLS handshake says in clear: the server name of the ClientHello and the
 * version.
 *
 * Walks the records of both directions (RFC 8446, section 5.1); handshake records are joined until
 * the Hello is whole, over segments and over records, because post-quantum key shares make it
 * longer than one of either. One unit at the ClientHello, with the SNI when there is one; one, with
 * the event, at the ServerHello. READER_DONE once both sides encrypt: from there on nothing can be
 * read, and the flow may be bypassed.
 *
 * Limits: TLS_HELLO_BYTES a Hello, beyond: READER_FAILED.
 * Sources: RFC 8446 sections 4.1.2, 4.1.3, 4.2.1; RFC 6066 section 3.
 */
#pragma once

#include "inspect/reader.h"

#define TLS_HELLO_BYTES 32768
#define TLS_RECORD_BYTES (16384 + 2048)

/* "TLS 1.3", or NULL. */
const char *tls_version_name(uint16_t version);

struct tls_hello {
	uint16_t version; /* negotiated, of a ServerHello */
	struct span sni;
};

/* body: a ClientHello or ServerHello without its handshake header. False when malformed. */
bool tls_hello_read(struct span body, bool is_client, struct tls_hello *ret);
