#include "inspect/http.h"

#include <htp/htp.h>
#include <pthread.h>
#include <stdlib.h>

struct body {
	uint8_t *bytes;
	size_t n, size;
};

struct transaction {
	struct transaction *next;
	htp_tx_t *tx;
	bool request_reported;
	struct body body[2]; /* by to_server */
	struct unit_seen seen;
};

struct http {
	struct reader base;
	htp_connp_t *connp;
	struct transaction *transactions;
	struct reader_env *env; /* while being fed */
	size_t *body_bytes;     /* of the thread */
};

/* Built once, then only read: shared by all threads and connections. */
static htp_cfg_t *config;
static pthread_once_t config_once = PTHREAD_ONCE_INIT;

static struct span span_bstr(const bstr *b)
{
	return b ? span_of(bstr_ptr(b), bstr_len(b)) : (struct span){};
}

/* Appends to the scratch; what does not fit is left out. */
struct writer {
	uint8_t *p;
	size_t n, cap;
};

static void put(struct writer *w, struct span s)
{
	if (s.n > w->cap - w->n)
		return;
	if (s.n)
		memcpy(w->p + w->n, s.p, s.n);
	w->n += s.n;
}

static struct span written(struct writer *w)
{
	struct span s = span_of(w->p, w->n);

	w->p += w->n;
	w->cap -= w->n;
	w->n = 0;
	return s;
}

static struct span lower(struct writer *w, struct span s)
{
	put(w, s);
	for (size_t i = 0; i < w->n; i++)
		if (w->p[i] >= 'A' && w->p[i] <= 'Z')
			w->p[i] |= 0x20;
	return s.p ? written(w) : s;
}

static struct span header_value(htp_table_t *headers, const char *name)
{
	htp_header_t *h = headers ? htp_table_get_c(headers, name) : NULL;

	return h ? span_bstr(h->value) : (struct span){};
}

static struct span header_lines(struct writer *w, htp_table_t *headers, struct span without)
{
	size_t n = headers ? htp_table_size(headers) : 0;

	for (size_t i = 0; i < n; i++) {
		htp_header_t *h = htp_table_get_index(headers, i, NULL);
		if (!h || span_caseeq(span_bstr(h->name), without))
			continue;
		put(w, span_bstr(h->name));
		put(w, SPAN_LIT(": "));
		put(w, span_bstr(h->value));
		put(w, SPAN_LIT("\r\n"));
	}
	return written(w);
}

static struct span uri_normal(struct writer *w, const htp_tx_t *tx)
{
	const htp_uri_t *u = tx->parsed_uri;

	if (!u)
		return span_bstr(tx->request_uri);
	if (u->path)
		put(w, span_bstr(u->path));
	if (u->query) {
		put(w, SPAN_LIT("?"));
		put(w, span_bstr(u->query));
	}
	if (u->fragment) {
		put(w, SPAN_LIT("#"));
		put(w, span_bstr(u->fragment));
	}
	struct span s = written(w);
	return s.n ? s : span_bstr(tx->request_uri);
}

static void fill_request(struct unit *u, struct writer *w, const struct transaction *t)
{
	const htp_tx_t *tx = t->tx;

	u->buffer[BUFFER_HTTP_METHOD] = span_bstr(tx->request_method);
	u->buffer[BUFFER_HTTP_URI_RAW] = span_bstr(tx->request_uri);
	u->buffer[BUFFER_HTTP_URI] = uri_normal(w, tx);
	u->buffer[BUFFER_HTTP_HOST] = lower(w, span_bstr(tx->request_hostname));
	u->buffer[BUFFER_HTTP_USER_AGENT] = header_value(tx->request_headers, "user-agent");
}

static void fill_direction(struct unit *u, struct writer *w, const struct transaction *t)
{
	const htp_tx_t *tx = t->tx;
	const struct body *b = &t->body[u->to_server];

	if (u->to_server) {
		fill_request(u, w, t);
		u->buffer[BUFFER_HTTP_COOKIE] = header_value(tx->request_headers, "cookie");
		u->buffer[BUFFER_HTTP_HEADER] =
			header_lines(w, tx->request_headers, SPAN_LIT("Cookie"));
	} else {
		u->buffer[BUFFER_HTTP_STAT_CODE] = span_bstr(tx->response_status);
		u->buffer[BUFFER_HTTP_COOKIE] = header_value(tx->response_headers, "set-cookie");
		u->buffer[BUFFER_HTTP_HEADER] =
			header_lines(w, tx->response_headers, SPAN_LIT("Set-Cookie"));
	}
	if (b->n)
		u->buffer[u->to_server ? BUFFER_HTTP_REQUEST_BODY : BUFFER_HTTP_RESPONSE_BODY] =
			span_of(b->bytes, b->n);
}

static struct http *http_of(const htp_tx_t *tx)
{
	return htp_connp_get_user_data(tx->connp);
}

/* Ours of this transaction; NULL when out of memory. */
static struct transaction *transaction_of(htp_tx_t *tx)
{
	struct http *h = http_of(tx);
	struct transaction *t = htp_tx_get_user_data(tx);

	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->tx = tx;
	t->next = h->transactions;
	h->transactions = t;
	htp_tx_set_user_data(tx, t);
	return t;
}

/* Room for n more bytes; grows with what comes, so that many small bodies stay small. */
static bool body_grow(struct http *h, struct body *b, size_t n)
{
	size_t size = b->size ? b->size : 1024;

	while (size < b->n + n)
		size *= 2;
	if (size == b->size)
		return true;
	if (*h->body_bytes + size - b->size > HTTP_BODIES_BYTES)
		return false;
	uint8_t *p = realloc(b->bytes, size);
	if (!p)
		return false;
	*h->body_bytes += size - b->size;
	b->bytes = p;
	b->size = size;
	return true;
}

static void transaction_free(struct http *h, struct transaction *t)
{
	for (unsigned i = 0; i < 2; i++) {
		if (t->body[i].size)
			*h->body_bytes -= t->body[i].size;
		free(t->body[i].bytes);
	}
	free(t);
}

static void emit(struct transaction *t, bool to_server)
{
	struct http *h = http_of(t->tx);
	struct unit u = {.to_server = to_server, .seen = &t->seen};
	struct writer w = {h->env->scratch, 0, sizeof(h->env->scratch)};

	fill_direction(&u, &w, t);
	h->env->fn(h->env->ctx, &u);
}

static int on_request_headers(htp_tx_t *tx)
{
	struct transaction *t = transaction_of(tx);

	if (!t || !http_of(tx)->env)
		return HTP_OK;
	t->request_reported = true;
	emit(t, true);
	return HTP_OK;
}

/* HTTP/0.9 has no headers to be complete. */
static int on_request_complete(htp_tx_t *tx)
{
	struct transaction *t = transaction_of(tx);

	return t && t->request_reported ? HTP_OK : on_request_headers(tx);
}

static int on_response_headers(htp_tx_t *tx)
{
	struct transaction *t = transaction_of(tx);

	if (!t || !http_of(tx)->env)
		return HTP_OK;
	emit(t, false);
	return HTP_OK;
}

static void on_body(htp_tx_data_t *d, bool to_server)
{
	struct transaction *t = transaction_of(d->tx);

	if (!t || !d->data || d->len == 0 || !http_of(d->tx)->env)
		return;
	struct body *b = &t->body[to_server];
	struct span part = span_take(span_of(d->data, d->len), HTTP_BODY_BYTES - b->n);
	if (part.n == 0 || !body_grow(http_of(d->tx), b, part.n))
		return;
	memcpy(b->bytes + b->n, part.p, part.n);
	b->n += part.n;
	emit(t, to_server);
}

static int on_request_body(htp_tx_data_t *d)
{
	on_body(d, true);
	return HTP_OK;
}

static int on_response_body(htp_tx_data_t *d)
{
	on_body(d, false);
	return HTP_OK;
}

static void emit_event(struct http *h, struct transaction *t)
{
	const htp_tx_t *tx = t->tx;
	struct unit u = {
		.to_server = true, .seen = &t->seen, .event = EVENT_HTTP, .log_only = true};
	struct writer w = {h->env->scratch, 0, sizeof(h->env->scratch)};

	fill_request(&u, &w, t);
	u.buffer[BUFFER_HTTP_STAT_CODE] = span_bstr(tx->response_status);
	u.http.protocol = span_bstr(tx->request_protocol);
	u.http.content_type = span_bstr(tx->response_content_type);
	u.http.status = tx->response_status_number;
	u.http.request_bytes = tx->request_message_len > 0 ? (uint64_t)tx->request_message_len : 0;
	u.http.response_bytes =
		tx->response_message_len > 0 ? (uint64_t)tx->response_message_len : 0;
	h->env->fn(h->env->ctx, &u);
}

static int on_transaction_complete(htp_tx_t *tx)
{
	struct http *h = http_of(tx);
	struct transaction *t = transaction_of(tx);
	struct transaction **at = &h->transactions;

	if (!t)
		return HTP_OK;
	if (h->env)
		emit_event(h, t);
	while (*at && *at != t)
		at = &(*at)->next;
	if (*at)
		*at = t->next;
	htp_tx_set_user_data(tx, NULL);
	transaction_free(h, t);
	return HTP_OK;
}

static void config_make(void)
{
	htp_cfg_t *c = htp_config_create();

	if (!c)
		return;
	htp_config_set_server_personality(c, HTP_SERVER_IDS);
	htp_config_set_tx_auto_destroy(c, 1);
	htp_config_set_log_level(c, HTP_LOG_NONE);
	htp_config_set_max_tx(c, HTTP_TRANSACTIONS);
	htp_config_set_field_limits(c, HTTP_FIELD_BYTES / 2, HTTP_FIELD_BYTES);
	htp_config_set_parse_request_cookies(c, 0);
	htp_config_set_compression_bomb_limit(c, HTTP_BOMB_BYTES);
	htp_config_set_compression_time_limit(c, HTTP_INFLATE_US);
	htp_config_set_request_decompression(c, 1);
	htp_config_set_response_decompression(c, 1);
	htp_config_set_lzma_layers(c, 0);
	htp_config_register_request_headers(c, on_request_headers);
	htp_config_register_request_body_data(c, on_request_body);
	htp_config_register_request_complete(c, on_request_complete);
	htp_config_register_response_headers(c, on_response_headers);
	htp_config_register_response_body_data(c, on_response_body);
	htp_config_register_transaction_complete(c, on_transaction_complete);
	config = c;
}

static void http_free(struct reader *r)
{
	struct http *h = (struct http *)r;

	if (h->connp)
		htp_connp_destroy_all(h->connp);
	while (h->transactions) {
		struct transaction *t = h->transactions;
		h->transactions = t->next;
		transaction_free(h, t);
	}
	free(h);
}

static struct reader *http_new(void)
{
	pthread_once(&config_once, config_make);
	struct http *h = config ? calloc(1, sizeof(*h)) : NULL;

	if (!h)
		return NULL;
	h->base.ops = &reader_http;
	h->connp = htp_connp_create(config);
	if (!h->connp) {
		free(h);
		return NULL;
	}
	htp_connp_set_user_data(h->connp, h);
	htp_connp_open(h->connp, NULL, 0, NULL, 0, NULL);
	return &h->base;
}

static enum reader_result feed_http(
	struct reader *r, struct reader_env *env, bool to_server, struct span data)
{
	struct http *h = (struct http *)r;
	htp_time_t at = env->at;

	h->env = env;
	h->body_bytes = &env->body_bytes;
	int result = to_server ? htp_connp_req_data(h->connp, &at, data.p, data.n)
			       : htp_connp_res_data(h->connp, &at, data.p, data.n);
	h->env = NULL;
	htp_connp_tx_freed(h->connp);
	switch (result) {
	case HTP_STREAM_ERROR:
	case HTP_STREAM_STOP:
		return READER_FAILED;
	case HTP_STREAM_TUNNEL:
		return READER_DONE;
	default:
		return READER_OK;
	}
}

const struct reader_ops reader_http = {.new = http_new, .feed = feed_http, .free = http_free};
