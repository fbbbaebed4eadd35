#include "mail/tls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"

static SSL_CTX *context_new(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx)
		return NULL;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	/* A peer that closes without goodbye has ended its stream: SMTP has ends of its own. */
	SSL_CTX_set_options(ctx,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

/* RFC 6066: the client names the host it wants; a name that is not ours changes nothing. */
static int on_name(SSL *tls, int *alert, void *arg)
{
	const char *name = SSL_get_servername(tls, TLSEXT_NAMETYPE_host_name);
	const struct tls_host *host = name ? tls_find(arg, name) : NULL;

	(void)alert;
	if (host)
		SSL_set_SSL_CTX(tls, host->ctx);
	return SSL_TLSEXT_ERR_OK;
}

const struct tls_host *tls_find(const struct tls *t, const char *name)
{
	for (unsigned i = 0; i < t->count; i++)
		if (strcasecmp(t->hosts[i].name, name) == 0)
			return &t->hosts[i];
	for (unsigned i = 0; i < t->count; i++)
		if (X509_check_host(SSL_CTX_get0_certificate(t->hosts[i].ctx), name, 0, 0, NULL) ==
			1)
			return &t->hosts[i];
	return NULL;
}

static time_t not_after(const X509 *certificate)
{
	struct tm tm;

	return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1 ? timegm(&tm) : 0;
}

/* Into ctx: the key, the first certificate, then the chain. Why not, or NULL. */
static const char *pem_use(SSL_CTX *ctx, const char *pem, size_t n)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)n);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"") : NULL;
	const char *why = NULL;
	X509 *certificate;

	BIO_free(bio);
	if (!key)
		return "no private key without a password in it";
	bio = BIO_new_mem_buf(pem, (int)n);
	certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	if (!certificate)
		why = "no certificate in it";
	else if (SSL_CTX_use_certificate(ctx, certificate) != 1)
		why = "the certificate cannot be used (too weak?)";
	else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		why = "the key does not fit the certificate";
	X509_free(certificate);
	EVP_PKEY_free(key);
	while (!why && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		if (SSL_CTX_add0_chain_cert(ctx, certificate) != 1) {
			X509_free(certificate);
			why = "its chain cannot be used";
		}
	BIO_free(bio);
	ERR_clear_error();
	return why;
}

int tls_check(const char *pem, size_t n, time_t *ret_not_after, const char **ret_why)
{
	SSL_CTX *ctx = n <= TLS_FILE_BYTES ? context_new(TLS_server_method()) : NULL;

	*ret_why = ctx ? pem_use(ctx, pem, n) : "too large";
	if (!*ret_why)
		*ret_not_after = not_after(SSL_CTX_get0_certificate(ctx));
	SSL_CTX_free(ctx);
	return *ret_why ? -EBADMSG : 0;
}

static const char *file_read(int folder, const char *name, char *out, size_t cap, size_t *ret_n)
{
	_cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
		return "not used: others may read it (mode 0600 is asked for)";
	if ((size_t)st.st_size > cap)
		return "too large";
	ssize_t n = read(fd, out, cap);
	*ret_n = n < 0 ? 0 : (size_t)n;
	return n < 0 ? strerror(errno) : NULL;
}

static const char *host_load(struct tls *t, int folder, const char *file, size_t name_n)
{
	struct tls_host *host = &t->hosts[t->count];
	_cleanup_free_ char *pem = malloc(TLS_FILE_BYTES);
	size_t n = 0;

	if (t->count == TLS_HOSTS_MAX)
		return "too many certificates";
	const char *why = pem ? file_read(folder, file, pem, TLS_FILE_BYTES, &n) : "no memory";
	if (why)
		return why;
	*host = (struct tls_host){
		.ctx = context_new(TLS_server_method()), .name = strndup(file, name_n)};
	why = host->ctx && host->name ? pem_use(host->ctx, pem, n) : "no memory";
	OPENSSL_cleanse(pem, n);
	if (why) {
		SSL_CTX_free(host->ctx);
		free(host->name);
		return why;
	}
	host->not_after = not_after(SSL_CTX_get0_certificate(host->ctx));
	SSL_CTX_set_session_id_context(host->ctx, (const unsigned char *)"maild", 5);
	SSL_CTX_set_tlsext_servername_callback(host->ctx, on_name);
	t->count++;
	return NULL;
}

static void folder_load(struct tls *t, const char *path, FILE *problems)
{
	_cleanup_closedir_ DIR *folder = opendir(path);
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		size_t n = strlen(entry->d_name);
		if (n < 5 || entry->d_name[0] == '.' || strcmp(entry->d_name + n - 4, ".pem") != 0)
			continue;
		const char *why = host_load(t, dirfd(folder), entry->d_name, n - 4);
		if (why)
			fprintf(problems, "%s: %s\n", entry->d_name, why);
	}
	if (!folder && errno != ENOENT)
		fprintf(problems, "%s: %s\n", path, strerror(errno));
}

int tls_load(struct tls *t, const char *folder)
{
	struct tls fresh = {.client = context_new(TLS_client_method())};
	size_t n = 0;
	FILE *problems = open_memstream(&fresh.problems, &n);

	if (problems) {
		folder_load(&fresh, folder, problems);
		fclose(problems);
	}
	if (!problems || !fresh.client) {
		tls_free(&fresh);
		return -ENOMEM;
	}
	if (n == 0) {
		free(fresh.problems);
		fresh.problems = NULL;
	}
	tls_free(t);
	*t = fresh;
	for (unsigned i = 0; i < t->count; i++)
		SSL_CTX_set_tlsext_servername_arg(t->hosts[i].ctx, t);
	return 0;
}

void tls_free(struct tls *t)
{
	for (unsigned i = 0; i < t->count; i++) {
		SSL_CTX_free(t->hosts[i].ctx);
		free(t->hosts[i].name);
	}
	SSL_CTX_free(t->client);
	free(t->problems);
	*t = (struct tls){0};
}

SSL *tls_accept(const struct tls_host *host)
{
	SSL *tls = SSL_new(host->ctx);

	if (tls)
		SSL_set_accept_state(tls);
	return tls;
}

SSL *tls_connect(const struct tls *t, const char *name)
{
	SSL *tls = SSL_new(t->client);

	if (!tls)
		return NULL;
	SSL_set_connect_state(tls);
	if (name)
		SSL_set_tlsext_host_name(tls, name);
	return tls;
}
