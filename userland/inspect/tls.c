#include "inspect/tls.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "inspect/x509.h"

enum {
	RECORD_CHANGE_CIPHER_SPEC = 20,
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	RECORD_APPLICATION_DATA = 23,
	RECORD_HEARTBEAT = 24
};
enum { HANDSHAKE_CLIENT_HELLO = 1, HANDSHAKE_SERVER_HELLO = 2, HANDSHAKE_CERTIFICATE = 11 };

#define RECORD_HEADER_BYTES 5
#define MESSAGE_HEADER_BYTES 4
#define SNI_BYTES 255
#define FINGERPRINT_BYTES 60

struct side {
	uint8_t header[RECORD_HEADER_BYTES];
	uint8_t header_n;
	uint8_t type;
	uint16_t left; /* bytes of the record still to come */
	uint16_t records;
	bool encrypted;
	uint8_t *message; /* the handshake message that is being put together */
	uint32_t message_n, message_room;
	uint32_t skip; /* of a handshake message that nobody reads */
	char ja3[TLS_JA3_BYTES];
	size_t ja3_n;
	char ja3_hash[33];
};

struct tls {
	struct reader base;
	struct side side[2]; /* by to_server */
	struct unit_seen seen;
	struct event_list events;
	uint16_t version;
	bool logged, has_hello, has_certificate;
	uint8_t sni[SNI_BYTES];
	uint8_t sni_n;
	bool has_sni;
	char ja4[TLS_JA4_BYTES];
	char fingerprint[FINGERPRINT_BYTES];
	struct x509 *leaf;
};

static void put_ja3(struct jsonw *w, const char *key, const struct side *s)
{
	if (!s->ja3_hash[0])
		return;
	jsonw_object(w, key);
	jsonw_str(w, "hash", s->ja3_hash);
	jsonw_span(w, "string", span_of(s->ja3, s->ja3_n));
	jsonw_end(w);
}

static void put_certificate(struct jsonw *w, const struct tls *t)
{
	jsonw_span(w, "subject", span_of(t->leaf->subject, t->leaf->subject_n));
	jsonw_span(w, "issuerdn", span_of(t->leaf->issuer, t->leaf->issuer_n));
	jsonw_str(w, "serial", t->leaf->serial);
	jsonw_str(w, "fingerprint", t->fingerprint);
}

static void tls_put(struct jsonw *w, const struct unit *u, bool whole)
{
	const struct tls *t = u->tx;
	const char *version = tls_version_name(t->version);

	(void)whole;
	jsonw_object(w, "tls");
	if (t->leaf)
		put_certificate(w, t);
	if (t->has_sni)
		jsonw_span(w, "sni", span_of(t->sni, t->sni_n));
	if (version)
		jsonw_str(w, "version", version);
	if (t->leaf) {
		jsonw_str(w, "notbefore", t->leaf->not_before);
		jsonw_str(w, "notafter", t->leaf->not_after);
	}
	put_ja3(w, "ja3", &t->side[1]);
	put_ja3(w, "ja3s", &t->side[0]);
	if (t->ja4[0])
		jsonw_str(w, "ja4", t->ja4);
	jsonw_end(w);
}

static struct unit unit_of(struct tls *t, bool to_server)
{
	static const char *const numbers[] = {"SSLv3", "1.0", "1.1", "1.2", "1.3"};
	struct unit u = {.to_server = to_server,
		.put = tls_put,
		.tx = t,
		.seen = &t->seen,
		.events = t->events};

	t->events.n = 0;
	if (t->version >= 0x0300 && t->version <= 0x0304)
		u.buffer[BUFFER_TLS_VERSION] = span_str(numbers[t->version - 0x0300]);
	return u;
}

static void emit(struct tls *t, const struct unit *u)
{
	t->base.env->fn(t->base.env->ctx, u);
}

static void emit_log(struct tls *t)
{
	if (t->logged || !t->has_hello)
		return;
	struct unit u = unit_of(t, true);
	u.log_only = u.events.n == 0;
	u.event = "tls";
	t->logged = true;
	emit(t, &u);
}

static void fill_server(struct unit *u, const struct tls *t)
{
	const struct side *s = &t->side[0];

	if (s->ja3_hash[0]) {
		u->buffer[BUFFER_JA3S_STRING] = span_of(s->ja3, s->ja3_n);
		u->buffer[BUFFER_JA3S_HASH] = span_str(s->ja3_hash);
	}
}

static void client_hello(struct tls *t, const struct tls_hello *h)
{
	struct side *s = &t->side[1];
	struct reader_env *env = t->base.env;

	t->has_sni = h->sni.p != NULL;
	if (t->has_sni) {
		memcpy(t->sni, h->sni.p, h->sni.n);
		t->sni_n = (uint8_t)h->sni.n;
	}
	tls_ja4(h, t->ja4);
	struct unit u = unit_of(t, true);
	if (t->has_sni)
		u.buffer[BUFFER_TLS_SNI] = span_of(t->sni, t->sni_n);
	u.buffer[BUFFER_JA3_STRING] = span_of(s->ja3, s->ja3_n);
	u.buffer[BUFFER_JA3_HASH] = span_str(s->ja3_hash);
	u.buffer[BUFFER_JA4_HASH] = span_str(t->ja4);
	for (unsigned i = 0; i < h->alpn_n; i++)
		if (i == 0)
			u.buffer[BUFFER_TLS_ALPN] = h->alpn[i];
		else
			env->more[u.more_n++] = (struct buffer_more){BUFFER_TLS_ALPN, h->alpn[i]};
	u.more = env->more;
	emit(t, &u);
}

static enum reader_result hello_whole(struct tls *t, bool to_server, struct span body)
{
	struct side *s = &t->side[to_server];
	struct tls_hello h;

	if (!tls_hello_read(body, to_server, &h)) {
		event_raise(&t->events, EVENT_TLS_INVALID_HANDSHAKE_MESSAGE);
		return READER_FAILED;
	}
	for (unsigned i = 0; i < h.events.n; i++)
		event_raise(&t->events, h.events.id[i]);
	t->version = h.version;
	t->has_hello = true;
	s->ja3_n = tls_ja3(&h, to_server, s->ja3);
	tls_ja3_hash(span_of(s->ja3, s->ja3_n), s->ja3_hash);
	if (to_server) {
		client_hello(t, &h);
	} else {
		struct unit u = unit_of(t, false);
		fill_server(&u, t);
		emit(t, &u);
	}
	return READER_OK;
}

static void fingerprint_of(struct span der, char *text)
{
	uint8_t digest[EVP_MAX_MD_SIZE] = {};

	EVP_Digest(der.p, der.n, digest, NULL, EVP_sha1(), NULL);
	for (size_t i = 0; i < 20; i++)
		text += sprintf(text, "%s%02x", i ? ":" : "", digest[i]);
}

/* Each certificate has a length of three bytes before it (RFC 5246, section 7.4.2). */
static void certificates(struct tls *t, struct span body)
{
	struct reader_env *env = t->base.env;
	struct cursor c = cursor_of(body);
	struct span leaf = {};

	c = cursor_of(cursor_take(&c, cursor_be24(&c)));
	struct span first = cursor_take(&c, cursor_be24(&c));
	if (!cursor_ok(&c) || first.n == 0) {
		event_raise(&t->events, EVENT_TLS_INVALID_CERTIFICATE);
		return;
	}
	leaf = first;
	if (!t->leaf)
		t->leaf = malloc(sizeof(*t->leaf));
	if (t->leaf && !x509_read(leaf, t->leaf))
		event_raise(&t->events, EVENT_TLS_INVALID_CERTIFICATE);
	fingerprint_of(leaf, t->fingerprint);
	struct unit u = unit_of(t, false);
	fill_server(&u, t);
	u.buffer[BUFFER_TLS_CERTS] = leaf;
	while (cursor_left(&c) && u.more_n < TLS_CERTS) {
		struct span next = cursor_take(&c, cursor_be24(&c));
		if (!cursor_ok(&c))
			break;
		env->more[u.more_n++] = (struct buffer_more){BUFFER_TLS_CERTS, next};
	}
	u.more = env->more;
	if (t->leaf) {
		u.buffer[BUFFER_TLS_SUBJECT] = span_of(t->leaf->subject, t->leaf->subject_n);
		u.buffer[BUFFER_TLS_ISSUER] = span_of(t->leaf->issuer, t->leaf->issuer_n);
		u.buffer[BUFFER_TLS_SERIAL] = span_str(t->leaf->serial);
	}
	u.buffer[BUFFER_TLS_FINGERPRINT] = span_str(t->fingerprint);
	emit(t, &u);
}

static enum reader_result message_whole(
	struct tls *t, bool to_server, uint8_t type, struct span body)
{
	if (type == (to_server ? HANDSHAKE_CLIENT_HELLO : HANDSHAKE_SERVER_HELLO))
		return hello_whole(t, to_server, body);
	if (type == HANDSHAKE_CERTIFICATE && !to_server && !t->has_certificate) {
		t->has_certificate = true;
		certificates(t, body);
		emit_log(t);
	}
	return READER_OK;
}

static bool message_grow(struct side *s, size_t want)
{
	size_t room = s->message_room ? s->message_room : 1024;

	while (room < want)
		room *= 2;
	if (room == s->message_room)
		return true;
	uint8_t *p = realloc(s->message, room);
	if (!p)
		return false;
	s->message = p;
	s->message_room = (uint32_t)room;
	return true;
}

/* A message nobody reads is only counted off. */
static bool message_is_read(const struct tls *t, bool to_server, uint8_t type)
{
	if (to_server)
		return type == HANDSHAKE_CLIENT_HELLO;
	return type == HANDSHAKE_SERVER_HELLO ||
	       (type == HANDSHAKE_CERTIFICATE && !t->has_certificate);
}

/* Takes from part what belongs to the message under way; true when the message is whole. */
static bool message_take(struct tls *t, bool to_server, struct span *part)
{
	struct side *s = &t->side[to_server];
	size_t want = MESSAGE_HEADER_BYTES;

	if (s->message_n >= MESSAGE_HEADER_BYTES)
		want += (size_t)s->message[1] << 16 | (size_t)s->message[2] << 8 | s->message[3];
	struct span take = span_take(*part, want - s->message_n);
	if (!message_grow(s, s->message_n + take.n)) {
		*part = span_skip(*part, part->n);
		return false;
	}
	memcpy(s->message + s->message_n, take.p, take.n);
	s->message_n += (uint32_t)take.n;
	*part = span_skip(*part, take.n);
	return want > MESSAGE_HEADER_BYTES && s->message_n == want;
}

static bool message_empty(const struct side *s)
{
	return s->message_n == MESSAGE_HEADER_BYTES && !s->message[1] && !s->message[2] &&
	       !s->message[3];
}

static enum reader_result handshake_add(struct tls *t, bool to_server, struct span part)
{
	struct side *s = &t->side[to_server];
	enum reader_result r = READER_OK;

	while (part.n && r == READER_OK) {
		if (s->skip) {
			size_t n = part.n < s->skip ? part.n : s->skip;
			s->skip -= (uint32_t)n;
			part = span_skip(part, n);
			continue;
		}
		bool whole = message_take(t, to_server, &part) || message_empty(s);
		if (whole) {
			struct span body = span_of(s->message + MESSAGE_HEADER_BYTES,
				s->message_n - MESSAGE_HEADER_BYTES);
			r = message_whole(t, to_server, s->message[0], body);
			s->message_n = 0;
		} else if (s->message_n == MESSAGE_HEADER_BYTES) {
			uint32_t n = (uint32_t)s->message[1] << 16 | (uint32_t)s->message[2] << 8 |
				     s->message[3];
			if (n > TLS_MESSAGE_BYTES)
				event_raise(&t->events, EVENT_TLS_HANDSHAKE_INVALID_LENGTH);
			if (n > TLS_MESSAGE_BYTES ||
				!message_is_read(t, to_server, s->message[0])) {
				s->skip = n;
				s->message_n = 0;
			}
		}
	}
	return r;
}

static enum reader_result record_begin(struct tls *t, struct side *s)
{
	s->header_n = 0;
	s->type = s->header[0];
	s->left = (uint16_t)(s->header[3] << 8 | s->header[4]);
	if (s->type < RECORD_CHANGE_CIPHER_SPEC || s->type > RECORD_HEARTBEAT) {
		event_raise(&t->events,
			s->records ? EVENT_TLS_INVALID_RECORD_TYPE : EVENT_TLS_INVALID_TLS_HEADER);
		return READER_FAILED;
	}
	if (s->header[1] != 3) {
		event_raise(&t->events, EVENT_TLS_INVALID_RECORD_VERSION);
		return READER_FAILED;
	}
	if (s->left > TLS_RECORD_BYTES) {
		event_raise(&t->events, EVENT_TLS_INVALID_SSL_RECORD);
		return READER_FAILED;
	}
	s->records = (uint16_t)(s->records + 1);
	if (s->type == RECORD_HEARTBEAT && !s->encrypted)
		event_raise(&t->events, EVENT_TLS_HEARTBEAT_MESSAGE);
	if (s->type == RECORD_CHANGE_CIPHER_SPEC || s->type == RECORD_APPLICATION_DATA)
		s->encrypted = true;
	return READER_OK;
}

static void flush_events(struct tls *t, bool to_server)
{
	if (t->events.n == 0)
		return;
	struct unit u = unit_of(t, to_server);
	emit(t, &u);
}

static enum reader_result feed_tls(struct reader *r, bool to_server, struct span data)
{
	struct tls *t = (struct tls *)r;
	struct side *s = &t->side[to_server];
	enum reader_result result = READER_OK;

	while (data.n && result == READER_OK) {
		if (s->left == 0) {
			s->header[s->header_n++] = data.p[0];
			data = span_skip(data, 1);
			if (s->header_n == RECORD_HEADER_BYTES)
				result = record_begin(t, s);
		} else {
			struct span part = span_take(data, s->left);
			s->left = (uint16_t)(s->left - part.n);
			data = span_skip(data, part.n);
			if (s->type == RECORD_HANDSHAKE && !s->encrypted)
				result = handshake_add(t, to_server, part);
		}
	}
	if (t->side[0].encrypted && t->side[1].encrypted && result == READER_OK)
		result = READER_DONE;
	if (result != READER_OK)
		emit_log(t);
	flush_events(t, to_server);
	return result;
}

static enum reader_result end_tls(struct reader *r, bool to_server, bool orderly)
{
	struct tls *t = (struct tls *)r;

	if (!orderly || t->side[!to_server].encrypted)
		emit_log(t);
	return READER_OK;
}

static void tls_free(struct reader *r)
{
	struct tls *t = (struct tls *)r;

	free(t->side[0].message);
	free(t->side[1].message);
	free(t->leaf);
	free(t);
}

static struct reader *tls_new(struct reader_env *env)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->base = (struct reader){&reader_tls, env};
	return &t->base;
}

const struct reader_ops reader_tls = {
	.new = tls_new, .feed = feed_tls, .end = end_tls, .free = tls_free};
