/* The buffers of an HTTP transaction for the rules. */
#include "inspect/http_tx.h"
#include "inspect/multipart.h"

#define LIST_MAX 64 /* values of http.request_header and http.response_header */

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

/* Without the port that may follow. */
static struct span without_port(struct span host)
{
	if (host.n && host.p[0] == '[') {
		ptrdiff_t end = span_chr(host, ']');
		return end < 0 ? host : span_take(host, (size_t)end + 1);
	}
	ptrdiff_t colon = span_chr(host, ':');
	return colon < 0 ? host : span_take(host, (size_t)colon);
}

static struct span header_value(htp_table_t *headers, const char *name)
{
	htp_header_t *h = headers ? htp_table_get_c(headers, name) : NULL;

	return h ? span_bstr(h->value) : (struct span){};
}

static void header_line(struct writer *w, const htp_header_t *h)
{
	put(w, span_bstr(h->name));
	put(w, SPAN_LIT(": "));
	put(w, span_bstr(h->value));
}

static struct span header_lines(struct writer *w, htp_table_t *headers, struct span without)
{
	size_t n = headers ? htp_table_size(headers) : 0;

	for (size_t i = 0; i < n; i++) {
		htp_header_t *h = htp_table_get_index(headers, i, NULL);
		if (!h || span_caseeq(span_bstr(h->name), without))
			continue;
		header_line(w, h);
		put(w, SPAN_LIT("\r\n"));
	}
	return written(w);
}

static struct span header_names(struct writer *w, htp_table_t *headers)
{
	size_t n = headers ? htp_table_size(headers) : 0;

	if (n == 0)
		return (struct span){};
	put(w, SPAN_LIT("\r\n"));
	for (size_t i = 0; i < n; i++) {
		htp_header_t *h = htp_table_get_index(headers, i, NULL);
		if (!h)
			continue;
		put(w, span_bstr(h->name));
		put(w, SPAN_LIT("\r\n"));
	}
	put(w, SPAN_LIT("\r\n"));
	return written(w);
}

static struct span start_lines(struct writer *w, const bstr *line, struct span raw)
{
	put(w, span_bstr(line));
	put(w, SPAN_LIT("\r\n"));
	put(w, raw);
	return written(w);
}

static void list_headers(struct unit *u, struct reader_env *env, struct writer *w,
	htp_table_t *headers, enum buffer b)
{
	size_t n = headers ? htp_table_size(headers) : 0;

	for (size_t i = 0; i < n && i < LIST_MAX; i++) {
		htp_header_t *h = htp_table_get_index(headers, i, NULL);
		if (!h)
			continue;
		header_line(w, h);
		struct span line = written(w);
		if (!u->buffer[b].p)
			u->buffer[b] = line;
		else if (u->more_n < UNIT_MORE)
			env->more[u->more_n++] = (struct buffer_more){b, line};
	}
	u->more = env->more;
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

/* Buffers that are the value of one header line. */
static const struct {
	enum buffer buffer;
	const char *name;
	bool request, response;
} values[] = {
	{BUFFER_HTTP_USER_AGENT, "user-agent", true, false},
	{BUFFER_HTTP_COOKIE, "cookie", true, false},
	{BUFFER_HTTP_COOKIE, "set-cookie", false, true},
	{BUFFER_HTTP_REFERER, "referer", true, false},
	{BUFFER_HTTP_ACCEPT, "accept", true, false},
	{BUFFER_HTTP_ACCEPT_ENC, "accept-encoding", true, false},
	{BUFFER_HTTP_ACCEPT_LANG, "accept-language", true, false},
	{BUFFER_HTTP_CONNECTION, "connection", true, true},
	{BUFFER_HTTP_CONTENT_TYPE, "content-type", true, true},
	{BUFFER_HTTP_CONTENT_LEN, "content-length", true, true},
	{BUFFER_HTTP_LOCATION, "location", false, true},
	{BUFFER_HTTP_SERVER, "server", false, true},
	{BUFFER_HTTP_HOST_RAW, "host", true, false},
};

static void fill_values(
	struct unit *u, const struct reader_env *env, htp_table_t *headers, bool to_server)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		if (env->wanted & BUFFER_BIT(values[i].buffer) &&
			(to_server ? values[i].request : values[i].response))
			u->buffer[values[i].buffer] = header_value(headers, values[i].name);
}

static void fill_lines(struct unit *u, struct reader_env *env, struct writer *w,
	const struct http_tx *t, htp_table_t *headers)
{
	bool to = u->to_server;
	const struct http_raw *raw = &t->raw[to];
	struct span raw_span = span_of(raw->bytes, raw->n);

	if (env->wanted & BUFFER_BIT(BUFFER_HTTP_HEADER))
		u->buffer[BUFFER_HTTP_HEADER] =
			header_lines(w, headers, to ? SPAN_LIT("Cookie") : SPAN_LIT("Set-Cookie"));
	if (raw->n)
		u->buffer[BUFFER_HTTP_HEADER_RAW] = raw_span;
	if (env->wanted & BUFFER_BIT(BUFFER_HTTP_HEADER_NAMES))
		u->buffer[BUFFER_HTTP_HEADER_NAMES] = header_names(w, headers);
	if (env->wanted & BUFFER_BIT(BUFFER_HTTP_START))
		u->buffer[BUFFER_HTTP_START] =
			start_lines(w, to ? t->tx->request_line : t->tx->response_line, raw_span);
	enum buffer list = to ? BUFFER_HTTP_REQUEST_HEADER : BUFFER_HTTP_RESPONSE_HEADER;
	if (env->wanted & BUFFER_BIT(list))
		list_headers(u, env, w, headers, list);
}

static void fill_request(struct unit *u, struct writer *w, const htp_tx_t *tx)
{
	u->buffer[BUFFER_HTTP_METHOD] = span_bstr(tx->request_method);
	u->buffer[BUFFER_HTTP_URI_RAW] = span_bstr(tx->request_uri);
	u->buffer[BUFFER_HTTP_URI] = uri_normal(w, tx);
	u->buffer[BUFFER_HTTP_HOST] = lower(w, without_port(span_bstr(tx->request_hostname)));
	u->buffer[BUFFER_HTTP_PROTOCOL] = span_bstr(tx->request_protocol);
	u->buffer[BUFFER_HTTP_REQUEST_LINE] = span_bstr(tx->request_line);
	if (!u->buffer[BUFFER_HTTP_HOST_RAW].p)
		u->buffer[BUFFER_HTTP_HOST_RAW] = span_bstr(tx->request_hostname);
}

static void fill_response(struct unit *u, const htp_tx_t *tx)
{
	u->buffer[BUFFER_HTTP_STAT_CODE] = span_bstr(tx->response_status);
	u->buffer[BUFFER_HTTP_STAT_MSG] = span_bstr(tx->response_message);
	u->buffer[BUFFER_HTTP_PROTOCOL] = span_bstr(tx->response_protocol);
	u->buffer[BUFFER_HTTP_RESPONSE_LINE] = span_bstr(tx->response_line);
}

static void fill_parts(struct unit *u, struct reader_env *env, const struct http_tx *t)
{
	struct multipart part;
	size_t at = 0;

	while (multipart_next(file_data(&t->body[1]), t->boundary, &at, &part)) {
		if (!part.name.p)
			continue;
		if (!u->buffer[BUFFER_FILE_DATA].p) {
			u->buffer[BUFFER_FILE_DATA] = part.data;
			u->buffer[BUFFER_FILE_NAME] = part.name;
		} else if (u->more_n + 1 < UNIT_MORE) {
			env->more[u->more_n++] = (struct buffer_more){BUFFER_FILE_DATA, part.data};
			env->more[u->more_n++] = (struct buffer_more){BUFFER_FILE_NAME, part.name};
		}
	}
	u->more = env->more;
}

static void fill_body(struct unit *u, struct reader_env *env, const struct http_tx *t)
{
	const struct file *f = &t->body[u->to_server];

	u->file = f->size ? f : NULL;
	if (f->n == 0)
		return;
	u->buffer[u->to_server ? BUFFER_HTTP_REQUEST_BODY : BUFFER_HTTP_RESPONSE_BODY] =
		file_data(f);
	if (u->to_server && t->boundary.n) {
		u->file = NULL;
		fill_parts(u, env, t);
		return;
	}
	u->buffer[BUFFER_FILE_DATA] = file_data(f);
	u->buffer[BUFFER_FILE_NAME] = file_name(f);
}

void http_fill(struct unit *u, struct reader_env *env, const struct http_tx *t)
{
	struct writer w = {env->scratch, 0, sizeof(env->scratch)};
	htp_table_t *headers = u->to_server ? t->tx->request_headers : t->tx->response_headers;

	fill_values(u, env, headers, u->to_server);
	if (u->to_server)
		fill_request(u, &w, t->tx);
	else
		fill_response(u, t->tx);
	fill_lines(u, env, &w, t, headers);
	fill_body(u, env, t);
}
