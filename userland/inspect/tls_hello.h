/*
 * tls_hello: ClientHello and ServerHello, and the fingerprints of both. Pure functions.
 *
 * JA3 and JA3S are the numbers of version, cipher suites, extensions, curves and point formats in
 * decimal, and their MD5; JA4 (FoxIO, TLS client) is version, counts and ALPN in clear, then
 * truncated SHA-256 of the sorted cipher suites and extensions. Reserved values (GREASE, RFC 8701)
 * count in none of them.
 *
 * Refuses: lengths that contradict themselves. Limits: TLS_LIST values of each list, TLS_JA3_BYTES
 * of text. Sources: RFC 5246, section 7.4.1; RFC 8446, section 4.1; RFC 6066, section 3; RFC 7301.
 */
#pragma once

#include "inspect/event.h"

#define TLS_LIST 128
#define TLS_ALPNS 8
#define TLS_JA3_BYTES 2048
#define TLS_JA4_BYTES 40

struct tls_list {
	uint16_t n;
	uint16_t value[TLS_LIST];
};

struct tls_hello {
	uint16_t version; /* of the hello, or of supported_versions in a ServerHello */
	uint16_t legacy_version;
	struct span sni; /* p == NULL: none */
	struct tls_list ciphers, extensions, curves, formats, signatures, versions;
	struct span alpn[TLS_ALPNS];
	uint8_t alpn_n;
	struct event_list events;
};

/* body: the handshake message without its header. */
bool tls_hello_read(struct span body, bool is_client, struct tls_hello *ret);

/* Text of JA3 or JA3S; the hash is 32 hexadecimal digits. */
size_t tls_ja3(const struct tls_hello *h, bool is_client, char text[static TLS_JA3_BYTES]);
void tls_ja3_hash(struct span text, char hash[static 33]);
void tls_ja4(const struct tls_hello *h, char text[static TLS_JA4_BYTES]);
/* "TLS 1.2" as the log says it, or NULL. */
const char *tls_version_name(uint16_t version);
