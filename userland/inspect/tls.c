#include "inspect/tls.h"

#include <stdlib.h>

enum {
	RECORD_CHANGE_CIPHER_SPEC = 20,
	RECORD_HANDSHAKE = 22,
	RECORD_APPLICATION_DATA = 23,
	RECORD_LAST = 24
};
enum { HANDSHAKE_CLIENT_HELLO = 1, HANDSHAKE_SERVER_HELLO = 2 };
enum { EXTENSION_SERVER_NAME = 0, EXTENSION_SUPPORTED_VERSIONS = 43 };

#define RECORD_HEADER_BYTES 5
#define SNI_BYTES 255

struct side {
	uint8_t header[RECORD_HEADER_BYTES];
	uint8_t header_n;
	uint8_t type;
	uint16_t left; /* bytes of the record still to come */
	bool hello_done;
	bool encrypted;
	uint8_t *hello;
	uint16_t hello_n, hello_size;
};

struct tls {
	struct reader base;
	struct side side[2]; /* by to_server */
	uint8_t sni[SNI_BYTES];
	uint8_t sni_n;
	bool has_sni;
};

const char *tls_version_name(uint16_t version)
{
	static const char *const names[] = {"SSLv3", "TLSv1", "TLS 1.1", "TLS 1.2", "TLS 1.3"};

	return version >= 0x0300 && version <= 0x0304 ? names[version - 0x0300] : NULL;
}

static struct span read_server_name(struct span extension)
{
	struct cursor c = cursor_of(extension);

	cursor_skip(&c, 2); /* length of the list, which holds one name of each type */
	if (cursor_u8(&c) != 0)
		return (struct span){};
	struct span name = cursor_take(&c, cursor_be16(&c));
	return cursor_ok(&c) && name.n <= SNI_BYTES ? name : (struct span){};
}

static void read_extension(uint16_t type, struct span body, bool is_client, struct tls_hello *h)
{
	if (is_client && type == EXTENSION_SERVER_NAME)
		h->sni = read_server_name(body);
	if (!is_client && type == EXTENSION_SUPPORTED_VERSIONS && body.n == 2)
		h->version = (uint16_t)(body.p[0] << 8 | body.p[1]);
}

bool tls_hello_read(struct span body, bool is_client, struct tls_hello *ret)
{
	struct cursor c = cursor_of(body);

	*ret = (struct tls_hello){.version = cursor_be16(&c)};
	cursor_skip(&c, 32);
	cursor_skip(&c, cursor_u8(&c)); /* session id */
	if (is_client) {
		cursor_skip(&c, cursor_be16(&c)); /* cipher suites */
		cursor_skip(&c, cursor_u8(&c));   /* compression methods */
	} else {
		cursor_skip(&c, 3);
	}
	if (!cursor_ok(&c))
		return false;
	if (cursor_left(&c) == 0)
		return true; /* no extensions */
	c = cursor_of(cursor_take(&c, cursor_be16(&c)));
	while (cursor_left(&c)) {
		uint16_t type = cursor_be16(&c);
		struct span extension = cursor_take(&c, cursor_be16(&c));
		if (!cursor_ok(&c))
			return false;
		read_extension(type, extension, is_client, ret);
	}
	return true;
}

static void emit(struct tls *t, struct reader_env *env, bool to_server, uint16_t version)
{
	struct unit u = {.to_server = to_server,
		.event = to_server ? EVENT_NONE : EVENT_TLS,
		.log_only = !to_server,
		.tls.version = version};

	if (t->has_sni)
		u.buffer[BUFFER_TLS_SNI] = span_of(t->sni, t->sni_n);
	env->fn(env->ctx, &u);
}

static enum reader_result hello_whole(
	struct tls *t, struct reader_env *env, bool to_server, struct span body)
{
	struct tls_hello h;

	if (!tls_hello_read(body, to_server, &h))
		return READER_FAILED;
	if (to_server && h.sni.p) {
		memcpy(t->sni, h.sni.p, h.sni.n);
		t->sni_n = (uint8_t)h.sni.n;
		t->has_sni = true;
	}
	emit(t, env, to_server, h.version);
	return READER_OK;
}

static bool hello_grow(struct side *s, size_t want)
{
	size_t size = s->hello_size ? s->hello_size : 1024;

	if (want > TLS_HELLO_BYTES)
		return false;
	while (size < want)
		size *= 2;
	if (size == s->hello_size)
		return true;
	uint8_t *p = realloc(s->hello, size);
	if (!p)
		return false;
	s->hello = p;
	s->hello_size = (uint16_t)size;
	return true;
}

static enum reader_result hello_add(
	struct tls *t, struct reader_env *env, bool to_server, struct span part)
{
	struct side *s = &t->side[to_server];

	if (!hello_grow(s, s->hello_n + part.n))
		return READER_FAILED;
	memcpy(s->hello + s->hello_n, part.p, part.n);
	s->hello_n = (uint16_t)(s->hello_n + part.n);
	struct cursor c = cursor_of(span_of(s->hello, s->hello_n));
	uint8_t type = cursor_u8(&c);
	if (type != (to_server ? HANDSHAKE_CLIENT_HELLO : HANDSHAKE_SERVER_HELLO))
		return READER_FAILED;
	struct span body = cursor_take(&c, cursor_be24(&c));
	if (!cursor_ok(&c))
		return READER_OK; /* more to come */
	enum reader_result r = hello_whole(t, env, to_server, body);
	s->hello_done = true;
	free(s->hello);
	s->hello = NULL;
	s->hello_n = s->hello_size = 0;
	return r;
}

static enum reader_result record_begin(struct side *s)
{
	s->header_n = 0;
	s->type = s->header[0];
	s->left = (uint16_t)(s->header[3] << 8 | s->header[4]);
	if (s->type < RECORD_CHANGE_CIPHER_SPEC || s->type > RECORD_LAST || s->header[1] != 3 ||
		s->left > TLS_RECORD_BYTES)
		return READER_FAILED;
	if (s->type == RECORD_CHANGE_CIPHER_SPEC || s->type == RECORD_APPLICATION_DATA)
		s->encrypted = true;
	return READER_OK;
}

static enum reader_result feed_tls(
	struct reader *r, struct reader_env *env, bool to_server, struct span data)
{
	struct tls *t = (struct tls *)r;
	struct side *s = &t->side[to_server];

	while (data.n) {
		enum reader_result result = READER_OK;
		if (s->left == 0) {
			s->header[s->header_n++] = data.p[0];
			data = span_skip(data, 1);
			if (s->header_n == RECORD_HEADER_BYTES)
				result = record_begin(s);
		} else {
			struct span part = span_take(data, s->left);
			s->left = (uint16_t)(s->left - part.n);
			data = span_skip(data, part.n);
			if (s->type == RECORD_HANDSHAKE && !s->hello_done)
				result = hello_add(t, env, to_server, part);
		}
		if (result != READER_OK)
			return result;
	}
	return t->side[0].encrypted && t->side[1].encrypted ? READER_DONE : READER_OK;
}

static void tls_free(struct reader *r)
{
	struct tls *t = (struct tls *)r;

	free(t->side[0].hello);
	free(t->side[1].hello);
	free(t);
}

static struct reader *tls_new(void)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->base.ops = &reader_tls;
	return &t->base;
}

const struct reader_ops reader_tls = {.new = tls_new, .feed = feed_tls, .free = tls_free};
