/*
 * tls: the handshakes of a TLS connection up to the point where they are encrypted.
 *
 * Records are cut, handshake messages put together across records and segments. A ClientHello and a
 * ServerHello are a unit each, as soon as they are whole; the certificates (TLS 1.2 and before) are
 * the third, which repeats what the server said before. The event is logged with the certificates,
 * or when both sides have gone on encrypted, or with the flow. When both sides are past their
 * handshake the reader is done.
 *
 * Refuses: record types and versions that are not of TLS. Limits: TLS_MESSAGE_BYTES a handshake
 * message, TLS_RECORD_BYTES a record, TLS_CERTS certificates of a chain; X.509 is read by x509.h,
 * hellos by tls_hello.h. Sources: RFC 5246, section 6.2; RFC 8446, section 5.1; RFC 6520.
 */
#pragma once

#include "inspect/reader.h"
#include "inspect/tls_hello.h"

#define TLS_MESSAGE_BYTES 65535
#define TLS_RECORD_BYTES 18432 /* 2^14 and what older versions may add */
#define TLS_CERTS 16
