#include "inspect/http.h"

#include <pthread.h>
#include <stdlib.h>

#include "inspect/http_tx.h"
#include "inspect/multipart.h"

struct http {
	struct reader base;
	htp_connp_t *connp;
	struct http_tx *transactions;
	bool to_server; /* what is being fed */
	bool closed;    /* no more transactions are made */
	uint32_t next_id;
	struct event_list early; /* before there was a transaction */
};

/* Built once, then only read: shared by all threads and connections. */
static htp_cfg_t *config;
static pthread_once_t config_once = PTHREAD_ONCE_INIT;
static unsigned decompress_layers = HTTP_LAYERS;

static struct http *http_of(const htp_tx_t *tx)
{
	return htp_connp_get_user_data(tx->connp);
}

/* Ours of this transaction; NULL when out of memory. */
static struct http_tx *transaction_of(htp_tx_t *tx)
{
	struct http *h = http_of(tx);
	struct http_tx *t = htp_tx_get_user_data(tx);

	if (t || h->closed)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->tx = tx;
	t->id = h->next_id++;
	t->next = h->transactions;
	t->events = h->early;
	h->early.n = 0;
	h->transactions = t;
	htp_tx_set_user_data(tx, t);
	return t;
}

static void transaction_free(struct http *h, struct http_tx *t)
{
	for (unsigned i = 0; i < 2; i++) {
		file_fini(&t->body[i], &h->base.env->file_bytes);
		h->base.env->file_bytes -= t->raw[i].room;
		free(t->raw[i].bytes);
	}
	free(t);
}

static struct unit unit_of(struct http_tx *t, bool to_server)
{
	struct unit u = {.to_server = to_server,
		.seen = &t->seen,
		.tx_id = t->id,
		.put = http_put,
		.tx = t,
		.events = t->events};

	for (unsigned i = 0; i < t->events.n; i++)
		event_raise(&t->echo[!to_server], (enum event_id)t->events.id[i]);
	t->events.n = 0;
	return u;
}

static void emit(struct http_tx *t, bool to_server)
{
	struct reader_env *env = http_of(t->tx)->base.env;
	struct unit u = unit_of(t, to_server);

	http_fill(&u, env, t);
	env->fn(env->ctx, &u);
}

static void emit_events(struct http_tx *t, bool to_server)
{
	struct reader_env *env = http_of(t->tx)->base.env;

	if (t->events.n == 0)
		return;
	struct unit u = unit_of(t, to_server);
	env->fn(env->ctx, &u);
}

static void emit_echo(struct http_tx *t)
{
	struct reader_env *env = http_of(t->tx)->base.env;

	for (unsigned i = 0; i < 2; i++) {
		struct unit u = {.to_server = i,
			.echo = true,
			.seen = &t->seen,
			.tx_id = t->id,
			.put = http_put,
			.tx = t,
			.events = t->echo[i]};
		if (t->echo[i].n == 0)
			continue;
		t->echo[i].n = 0;
		env->fn(env->ctx, &u);
	}
}

static void raw_append(struct http *h, struct http_raw *raw, struct span data)
{
	size_t room = raw->room ? raw->room : 512;

	if (raw->n + data.n > HTTP_RAW_BYTES)
		data.n = HTTP_RAW_BYTES - raw->n;
	while (room < raw->n + data.n)
		room *= 2;
	if (room != raw->room) {
		if (h->base.env->file_bytes + room - raw->room > FILES_BYTES)
			return;
		uint8_t *p = realloc(raw->bytes, room);
		if (!p)
			return;
		h->base.env->file_bytes += room - raw->room;
		raw->bytes = p;
		raw->room = room;
	}
	memcpy(raw->bytes + raw->n, data.p, data.n);
	raw->n += data.n;
}

static int on_raw(htp_tx_data_t *d, bool to_server)
{
	static const uint64_t wants =
		BUFFER_BIT(BUFFER_HTTP_HEADER_RAW) | BUFFER_BIT(BUFFER_HTTP_START);
	struct http_tx *t = transaction_of(d->tx);

	if (t && d->data && d->len && http_of(d->tx)->base.env->wanted & wants)
		raw_append(http_of(d->tx), &t->raw[to_server], span_of(d->data, d->len));
	return HTP_OK;
}

static int on_request_raw(htp_tx_data_t *d)
{
	return on_raw(d, true);
}

static int on_response_raw(htp_tx_data_t *d)
{
	return on_raw(d, false);
}

/* Oddities that libhtp keeps as flags of the transaction. */
static void flag_events(struct http_tx *t)
{
	static const struct {
		uint64_t flag;
		enum event_id id;
	} rows[] = {
		{HTP_HOSTH_INVALID, EVENT_HTTP_REQUEST_HEADER_HOST_INVALID},
		{HTP_HOSTU_INVALID, EVENT_HTTP_REQUEST_URI_HOST_INVALID},
		{HTP_HOST_AMBIGUOUS, EVENT_HTTP_HOST_HEADER_AMBIGUOUS},
		{HTP_HOST_MISSING, EVENT_HTTP_MISSING_HOST_HEADER},
		{HTP_REQUEST_INVALID_T_E, EVENT_HTTP_INVALID_TRANSFER_ENCODING_VALUE_IN_REQUEST},
		{HTP_REQUEST_INVALID_C_L, EVENT_HTTP_INVALID_CONTENT_LENGTH_FIELD_IN_REQUEST},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (t->tx->flags & rows[i].flag)
			event_raise(&t->events, rows[i].id);
	if (t->tx->request_auth_type == HTP_AUTH_UNRECOGNIZED)
		event_raise(&t->events, EVENT_HTTP_REQUEST_AUTH_UNRECOGNIZED);
}

static struct span boundary_of(const htp_tx_t *tx)
{
	htp_header_t *h = htp_table_get_c(tx->request_headers, "content-type");

	return h && span_casestarts(span_bstr(h->value), SPAN_LIT("multipart/form-data"))
		       ? multipart_boundary(span_bstr(h->value))
		       : (struct span){};
}

static int on_request_headers(htp_tx_t *tx)
{
	struct http_tx *t = transaction_of(tx);

	if (!t)
		return HTP_OK;
	t->request_reported = true;
	t->boundary = boundary_of(tx);
	flag_events(t);
	file_fini(&t->body[1], &http_of(tx)->base.env->file_bytes);
	file_open(&t->body[1], http_file_name(tx, true), true, t->id,
		http_of(tx)->base.env->hash_files);
	emit(t, true);
	return HTP_OK;
}

static int on_response_headers(htp_tx_t *tx)
{
	struct http_tx *t = transaction_of(tx);

	if (!t)
		return HTP_OK;
	t->response_reported = true;
	/* There may have been a 100 before, with headers of its own. */
	file_fini(&t->body[0], &http_of(tx)->base.env->file_bytes);
	file_open(&t->body[0], http_file_name(tx, false), false, t->id,
		http_of(tx)->base.env->hash_files);
	emit(t, false);
	return HTP_OK;
}

static void look_at_body(struct http_tx *t, struct file *f)
{
	if (!file_is_due(f))
		return;
	emit(t, f->to_server);
	f->told = f->n;
}

static void look_at_whole(struct http_tx *t, struct file *f)
{
	if (f->n && f->n != f->told)
		emit(t, f->to_server);
	f->told = f->n;
}

static int on_body(htp_tx_data_t *d, bool to_server)
{
	struct http_tx *t = transaction_of(d->tx);

	if (!t || d->len == 0)
		return HTP_OK;
	struct file *f = &t->body[to_server];
	if (!d->data) { /* a hole in the stream */
		f->gaps = true;
		f->size += d->len;
		return HTP_OK;
	}
	file_append(f, &http_of(d->tx)->base.env->file_bytes, span_of(d->data, d->len));
	look_at_body(t, f);
	return HTP_OK;
}

static int on_request_body(htp_tx_data_t *d)
{
	return on_body(d, true);
}

static int on_response_body(htp_tx_data_t *d)
{
	return on_body(d, false);
}

static void report_file(struct http_tx *t, struct file *f, enum file_state state)
{
	struct reader_env *env = http_of(t->tx)->base.env;

	if (f->reported || f->size == 0)
		return;
	file_close(f, state);
	look_at_body(t, f);
	struct unit u = unit_of(t, f->to_server);
	u.log_only = true;
	u.file = f;
	u.file_done = true;
	f->reported = true;
	env->fn(env->ctx, &u);
}

/* Each file of a form, from what is kept of the body. */
static void report_parts(struct http_tx *t)
{
	struct reader_env *env = http_of(t->tx)->base.env;
	struct multipart part;
	size_t at = 0;

	while (multipart_next(file_data(&t->body[1]), t->boundary, &at, &part)) {
		struct file f;
		struct unit u = unit_of(t, true);
		if (!part.name.p)
			continue;
		file_open(&f, part.name, true, t->id, env->hash_files);
		file_append(&f, &env->file_bytes, part.data);
		file_close(&f, part.whole ? FILE_CLOSED : FILE_TRUNCATED);
		u.log_only = true;
		u.file = &f;
		u.file_done = true;
		env->fn(env->ctx, &u);
		file_fini(&f, &env->file_bytes);
	}
}

/* HTTP/0.9 has no headers to be complete. */
static int on_request_complete(htp_tx_t *tx)
{
	struct http_tx *t = transaction_of(tx);

	if (!t)
		return HTP_OK;
	if (!t->request_reported)
		on_request_headers(tx);
	look_at_whole(t, &t->body[1]);
	if (t->boundary.n)
		report_parts(t);
	else
		report_file(t, &t->body[1], FILE_CLOSED);
	return HTP_OK;
}

static int on_response_complete(htp_tx_t *tx)
{
	struct http_tx *t = transaction_of(tx);

	if (!t)
		return HTP_OK;
	if (!t->response_reported)
		on_response_headers(tx);
	report_file(t, &t->body[0], FILE_CLOSED);
	return HTP_OK;
}

static void emit_log(struct http_tx *t)
{
	struct reader_env *env = http_of(t->tx)->base.env;
	struct unit u = unit_of(t, true);

	if (t->logged)
		return;
	t->logged = true;
	u.log_only = u.events.n == 0;
	u.event = "http";
	env->fn(env->ctx, &u);
}

static void transaction_end(struct http *h, struct http_tx *t, enum file_state state)
{
	struct http_tx **at = &h->transactions;

	report_file(t, &t->body[0], state);
	if (!t->boundary.n)
		report_file(t, &t->body[1], state);
	emit_log(t);
	emit_echo(t);
	while (*at && *at != t)
		at = &(*at)->next;
	if (*at)
		*at = t->next;
	htp_tx_set_user_data(t->tx, NULL);
	transaction_free(h, t);
}

static int on_transaction_complete(htp_tx_t *tx)
{
	struct http_tx *t = transaction_of(tx);

	if (t)
		transaction_end(http_of(tx), t, FILE_CLOSED);
	return HTP_OK;
}

static int on_log(htp_log_t *log)
{
	struct http *h = htp_connp_get_user_data(log->connp);
	struct http_tx *t = log->tx ? htp_tx_get_user_data(log->tx) : NULL;
	enum event_id id = log->msg ? http_event(log->msg, h->to_server) : EVENT_ID_NONE;

	event_raise(t ? &t->events : &h->early, id);
	return HTP_OK;
}

static void config_hooks(htp_cfg_t *c)
{
	htp_config_register_request_header_data(c, on_request_raw);
	htp_config_register_request_trailer_data(c, on_request_raw);
	htp_config_register_response_header_data(c, on_response_raw);
	htp_config_register_response_trailer_data(c, on_response_raw);
	htp_config_register_request_headers(c, on_request_headers);
	htp_config_register_request_body_data(c, on_request_body);
	htp_config_register_request_complete(c, on_request_complete);
	htp_config_register_response_headers(c, on_response_headers);
	htp_config_register_response_body_data(c, on_response_body);
	htp_config_register_response_complete(c, on_response_complete);
	htp_config_register_transaction_complete(c, on_transaction_complete);
	htp_config_register_log(c, on_log);
}

static void config_make(void)
{
	htp_cfg_t *c = htp_config_create();

	if (!c)
		return;
	htp_config_set_server_personality(c, HTP_SERVER_IDS);
	htp_config_set_tx_auto_destroy(c, 1);
	htp_config_set_log_level(c, HTP_LOG_WARNING);
	htp_config_set_max_tx(c, HTTP_TRANSACTIONS);
	htp_config_set_field_limits(c, HTTP_FIELD_BYTES / 2, HTTP_FIELD_BYTES);
	htp_config_set_number_headers_limit(c, HTTP_HEADERS);
	htp_config_set_parse_request_cookies(c, 0);
	htp_config_set_parse_request_auth(c, 1);
	htp_config_set_plusspace_decode(c, HTP_DECODER_URLENCODED, 0);
	htp_config_set_compression_bomb_limit(c, HTTP_BOMB_BYTES);
	htp_config_set_compression_time_limit(c, HTTP_INFLATE_US);
	htp_config_set_request_decompression(c, 1);
	htp_config_set_response_decompression(c, 1);
	htp_config_set_response_decompression_layer_limit(c, (int)decompress_layers);
	htp_config_set_lzma_layers(c, 1);
	htp_config_set_lzma_memlimit(c, HTTP_LZMA_BYTES);
	config_hooks(c);
	config = c;
}

void http_set_layers(unsigned layers)
{
	decompress_layers = layers;
}

static void http_free(struct reader *r)
{
	struct http *h = (struct http *)r;

	while (h->transactions) {
		struct http_tx *t = h->transactions;
		h->transactions = t->next;
		htp_tx_set_user_data(t->tx, NULL);
		transaction_free(h, t);
	}
	h->closed = true;
	if (h->connp)
		htp_connp_destroy_all(h->connp);
	free(h);
}

static struct reader *http_new(struct reader_env *env)
{
	pthread_once(&config_once, config_make);
	struct http *h = config ? calloc(1, sizeof(*h)) : NULL;

	if (!h)
		return NULL;
	h->base = (struct reader){&reader_http, env};
	h->connp = htp_connp_create(config);
	if (!h->connp) {
		free(h);
		return NULL;
	}
	htp_connp_set_user_data(h->connp, h);
	htp_connp_open(h->connp, NULL, 0, NULL, 0, NULL);
	return &h->base;
}

/* What was found without a unit that could carry it. */
static void flush_events(struct http *h, bool to_server)
{
	for (struct http_tx *t = h->transactions; t; t = t->next) {
		emit_events(t, to_server);
		emit_echo(t);
	}
	if (h->early.n) {
		struct unit u = {.to_server = to_server, .events = h->early};
		h->early.n = 0;
		h->base.env->fn(h->base.env->ctx, &u);
	}
}

static enum reader_result result_of(int result)
{
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

static enum reader_result feed_http(struct reader *r, bool to_server, struct span data)
{
	struct http *h = (struct http *)r;
	htp_time_t at = r->env->at;

	h->to_server = to_server;
	int result = to_server ? htp_connp_req_data(h->connp, &at, data.p, data.n)
			       : htp_connp_res_data(h->connp, &at, data.p, data.n);
	flush_events(h, to_server);
	htp_connp_tx_freed(h->connp);
	return result_of(result);
}

/* A response without a length ends with the connection (RFC 9112, section 6.3). */
static enum reader_result end_http(struct reader *r, bool to_server, bool orderly)
{
	struct http *h = (struct http *)r;
	htp_time_t at = r->env->at;

	h->to_server = to_server;
	if (to_server)
		htp_connp_req_close(h->connp, &at);
	else
		htp_connp_close(h->connp, &at);
	if (!orderly)
		while (h->transactions)
			transaction_end(h, h->transactions, FILE_TRUNCATED);
	flush_events(h, to_server);
	return READER_OK;
}

const struct reader_ops reader_http = {
	.new = http_new, .feed = feed_http, .end = end_http, .free = http_free, .holes = true};
