/*
 * tls: the certificates that maild may show, and the making of TLS legs.
 *
 * Each file path_data("mail/tls/<host>.pem") holds the private key and the certificate chain of one
 * mail server behind the checkpoint: the server's own, put there by the administrator, never forged
 * here. tls_load() reads the folder into a new set; sessions under way keep the certificate they
 * have begun with (OpenSSL counts references). A client that names a host (SNI) is shown
 * that host's certificate, any other client the one that was chosen for its server.
 *
 * Onward, TLS is encryption without authentication: a transparent relay is told addresses, not
 * names, so there is no name to hold a certificate against (RFC 3207, section 4.1; RFC 7435).
 *
 * Limits: TLS_HOSTS_MAX files of TLS_FILE_BYTES. TLS 1.2 and newer.
 * Refuses: a file that others than maild may read, a key that does not fit its certificate. The
 * file is left out, `problems` says why, the others hold.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <time.h>

#define TLS_HOSTS_MAX 64
#define TLS_FILE_BYTES 65536

struct tls_host {
	char *name; /* of the file, without .pem */
	SSL_CTX *ctx;
	time_t not_after;
};

struct tls {
	SSL_CTX *client;
	struct tls_host hosts[TLS_HOSTS_MAX];
	unsigned count;
	char *problems; /* heap, one line each; NULL when there is none */
};

/* Replaces what *t holds by what lies in the folder now. -errno: *t is as before. A folder that is
 * not there is an empty one. */
int tls_load(struct tls *t, const char *folder);
void tls_free(struct tls *t);
/* The host of that file name, or one whose certificate names it (RFC 6125); NULL when there is
 * none. */
const struct tls_host *tls_find(const struct tls *t, const char *name);

/* NULL when out of memory. The set must outlive the handshake's first flight: SNI is looked up in
 * it. */
SSL *tls_accept(const struct tls_host *host);
/* name: for SNI, or NULL. */
SSL *tls_connect(const struct tls *t, const char *name);

/* Whether pem holds a key and the certificate that fits it, and until when: 0, or -EBADMSG with
 * *ret_why (static). */
int tls_check(const char *pem, size_t n, time_t *ret_not_after, const char **ret_why);
