/*
 * x509: what rules and log say about a certificate, read from its DER.
 *
 * A pure function over bytes: names, serial number and validity, nothing is verified. Our own
 * reader, because a general library decodes the public key as well, which costs more than all else
 * and is not asked for.
 *
 * Names are one text, "C=US, O=Example, CN=example.com", attributes in the order of the
 * certificate, those without a short name by their object identifier. The serial number is
 * "0A:FF:..".
 *
 * Refuses: what is not DER, or ends before the validity. Limits: X509_NAME_BYTES a name (the rest
 * is left out), X509_SERIAL_BYTES of serial number. Source: RFC 5280, section 4.1.
 */
#pragma once

#include "lib/span.h"

#define X509_NAME_BYTES 1024
#define X509_SERIAL_BYTES 64

struct x509 {
	char subject[X509_NAME_BYTES], issuer[X509_NAME_BYTES]; /* may hold NUL bytes */
	uint16_t subject_n, issuer_n;
	char serial[3 * X509_SERIAL_BYTES + 1];
	char not_before[24], not_after[24]; /* 2015-06-16T00:00:00 */
};

bool x509_read(struct span der, struct x509 *ret);
