#include "inspect/http.h"

#include <pthread.h>
#include <stdlib.h>

#include "inspect/http2.h"
#include "inspect/http2_head.h"
#include "inspect/http_tx.h"
#include "inspect/multipart.h"

struct http {
	struct reader base;
	htp_connp_t *connp;
	struct http_tx *transactions;
	bool to_server; /* what is being fed */
	bool closed;    /* no more transactions are made */
	uint32_t next_id;
	uint32_t stream;         /* of HTTP/2, that this one is; 0: a connection of HTTP/1 */
	bool request_is_told;    /* before the connection became HTTP/2 */
	struct reader *upgraded; /* what the connection has become; NULL: what it was */
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
	t->env = h->base.env;
	t->id = h->next_id++;
	t->stream = h->stream;
	t->request_reported = h->request_is_told;
	t->next = h->transactions;
	t->events = h->early;
	h->early.n = 0;
	h->transactions = t;
	htp_tx_set_user_data(tx, t);
	return t;
}

static int on_raw(htp_tx_data_t *d, bool to_server)
{
	static const uint64_t wants =
		BUFFER_BIT(BUFFER_HTTP_HEADER_RAW) | BUFFER_BIT(BUFFER_HTTP_START);
	struct http_tx *t = transaction_of(d->tx);

	if (t && d->data && d->len && http_of(d->tx)->base.env->wanted & wants)
		http_tx_keep_raw(t, to_server, span_of(d->data, d->len));
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

static struct span boundary_of(const htp_tx_t *tx)
{
	htp_header_t *h = htp_table_get_c(tx->request_headers, "content-type");

	return h && span_casestarts(span_bstr(h->value), SPAN_LIT("multipart/form-data"))
		       ? multipart_boundary(span_bstr(h->value))
		       : (struct span){};
}

/* A stream of HTTP/2 is given to libhtp as HTTP/1.1; rules are to see what it is. */
static void restate(bstr *line, bool at_end)
{
	static const char from[] = "HTTP/1.1", to[] = "HTTP/2";
	size_t n = line ? bstr_len(line) : 0, len = sizeof(from) - 1;

	if (n < len)
		return;
	unsigned char *p = bstr_ptr(line) + (at_end ? n - len : 0);
	if (memcmp(p, from, len) != 0)
		return;
	memcpy(p, to, sizeof(to) - 1);
	memmove(p + sizeof(to) - 1, p + len, at_end ? 0 : n - len);
	bstr_adjust_len(line, n - (sizeof(from) - sizeof(to)));
}

static int on_request_headers(htp_tx_t *tx)
{
	struct http_tx *t = transaction_of(tx);

	if (!t)
		return HTP_OK;
	if (t->stream) {
		restate(tx->request_line, true);
		restate(tx->request_protocol, true);
	}
	bool told = t->request_reported;
	t->request_reported = true;
	t->boundary = boundary_of(tx);
	http_tx_flags(t);
	file_fini(&t->body[1], &http_of(tx)->base.env->file_bytes);
	file_open(&t->body[1], http_file_name(tx, true), true, t->id,
		http_of(tx)->base.env->hash_files);
	if (!told)
		http_tx_tell(t, true);
	return HTP_OK;
}

/* The answer to Upgrade: h2c. libhtp stops reading here; what follows is HTTP/2. */
static void upgrade(struct http *h, const htp_tx_t *tx)
{
	htp_header_t *to = htp_table_get_c(tx->response_headers, "upgrade");
	struct http2_text text = {};

	if (tx->response_status_number != 101 || !to || h->upgraded || h->stream ||
		!span_caseeq(span_trim(span_bstr(to->value)), SPAN_LIT("h2c")))
		return;
	http2_text_add(&text, span_bstr(tx->request_method));
	http2_text_add(&text, SPAN_LIT(" "));
	http2_text_add(&text, span_bstr(tx->request_uri));
	http2_text_add(&text, SPAN_LIT(" HTTP/1.1\r\nhost: "));
	http2_text_add(&text, span_bstr(tx->request_hostname));
	http2_text_add(&text, SPAN_LIT("\r\n\r\n"));
	h->upgraded = http2_upgraded(h->base.env, http2_text_span(&text));
	free(text.p);
}

static int on_response_headers(htp_tx_t *tx)
{
	struct http_tx *t = transaction_of(tx);

	if (!t)
		return HTP_OK;
	t->response_reported = true;
	if (t->stream) {
		restate(tx->response_line, false);
		restate(tx->response_protocol, false);
	}
	upgrade(http_of(tx), tx);
	/* There may have been a 100 before, with headers of its own. */
	file_fini(&t->body[0], &http_of(tx)->base.env->file_bytes);
	file_open(&t->body[0], http_file_name(tx, false), false, t->id,
		http_of(tx)->base.env->hash_files);
	http_tx_tell(t, false);
	return HTP_OK;
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
	http_tx_look(t, f);
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

/* HTTP/0.9 has no headers to be complete. */
static int on_request_complete(htp_tx_t *tx)
{
	struct http_tx *t = transaction_of(tx);

	if (!t)
		return HTP_OK;
	if (!t->request_reported)
		on_request_headers(tx);
	http_tx_look_whole(t, &t->body[1]);
	if (t->boundary.n)
		http_tx_report_parts(t);
	else
		http_tx_report_file(t, &t->body[1], FILE_CLOSED);
	return HTP_OK;
}

static int on_response_complete(htp_tx_t *tx)
{
	struct http_tx *t = transaction_of(tx);

	if (!t)
		return HTP_OK;
	if (!t->response_reported)
		on_response_headers(tx);
	http_tx_report_file(t, &t->body[0], FILE_CLOSED);
	return HTP_OK;
}

static void transaction_end(struct http *h, struct http_tx *t, enum file_state state)
{
	struct http_tx **at = &h->transactions;

	http_tx_report_begun(t);
	http_tx_report_file(t, &t->body[0], state);
	if (!t->boundary.n)
		http_tx_report_file(t, &t->body[1], state);
	http_tx_log(t);
	http_tx_tell_echo(t);
	while (*at && *at != t)
		at = &(*at)->next;
	if (*at)
		*at = t->next;
	htp_tx_set_user_data(t->tx, NULL);
	http_tx_free(t);
}

static void transactions_end(struct http *h, enum file_state state)
{
	while (h->transactions)
		transaction_end(h, h->transactions, state);
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
		http_tx_free(t);
	}
	h->closed = true;
	if (h->connp)
		htp_connp_destroy_all(h->connp);
	if (h->upgraded)
		h->upgraded->ops->free(h->upgraded);
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

struct reader *http_stream_new(struct reader_env *env, uint32_t stream, bool request_is_told)
{
	struct reader *r = http_new(env);
	struct http *h = (struct http *)r;

	if (!r)
		return NULL;
	h->stream = h->next_id = stream;
	h->request_is_told = request_is_told;
	return r;
}

/* What was found without a unit that could carry it. */
static void flush_events(struct http *h, bool to_server)
{
	for (struct http_tx *t = h->transactions; t; t = t->next) {
		http_tx_tell_events(t, to_server);
		http_tx_tell_echo(t);
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

	if (h->upgraded && !data.p)
		return READER_FAILED; /* frames cannot be found again behind a hole */
	if (h->upgraded)
		return h->upgraded->ops->feed(h->upgraded, to_server, data);
	h->to_server = to_server;
	int result = to_server ? htp_connp_req_data(h->connp, &at, data.p, data.n)
			       : htp_connp_res_data(h->connp, &at, data.p, data.n);
	if (result_of(result) == READER_FAILED)
		transactions_end(h, FILE_TRUNCATED);
	flush_events(h, to_server);
	htp_connp_tx_freed(h->connp);
	if (h->upgraded) {
		transactions_end(h, FILE_CLOSED);
		struct span rest = span_skip(data, htp_connp_res_data_consumed(h->connp));
		return h->upgraded->ops->feed(h->upgraded, to_server, rest);
	}
	return result_of(result);
}

/* A response without a length ends with the connection (RFC 9112, section 6.3). */
static enum reader_result end_http(struct reader *r, bool to_server, bool orderly)
{
	struct http *h = (struct http *)r;
	htp_time_t at = r->env->at;

	if (h->upgraded)
		h->upgraded->ops->end(h->upgraded, to_server, orderly);
	h->to_server = to_server;
	if (to_server)
		htp_connp_req_close(h->connp, &at);
	else
		htp_connp_close(h->connp, &at);
	if (!orderly && !to_server) /* the flow's end: the client's side has ended before */
		transactions_end(h, FILE_TRUNCATED);
	flush_events(h, to_server);
	return READER_OK;
}

const struct reader_ops reader_http = {
	.new = http_new, .feed = feed_http, .end = end_http, .free = http_free, .holes = true};
