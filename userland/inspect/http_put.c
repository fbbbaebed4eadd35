/* An HTTP transaction in events: its object, its oddities by name, the name of its file. */
#include "inspect/http_tx.h"
#include "inspect/multipart.h"

static void put_span(struct jsonw *w, const char *key, struct span value)
{
	if (value.p)
		jsonw_span(w, key, value);
}

static struct span header_of(htp_table_t *headers, const char *name)
{
	htp_header_t *h = headers ? htp_table_get_c(headers, name) : NULL;

	return h ? span_bstr(h->value) : (struct span){};
}

/* Up to the parameters, as it was sent. */
static struct span media_type(struct span value)
{
	size_t n = 0;

	while (n < value.n && value.p[n] != ';' && value.p[n] != ' ')
		n++;
	return span_take(value, n);
}

static void put_response(struct jsonw *w, const htp_tx_t *tx)
{
	if (tx->response_status_number > 0)
		jsonw_u64(w, "status", (uint64_t)tx->response_status_number);
	if (tx->response_status_number >= 300 && tx->response_status_number < 400)
		put_span(w, "redirect", header_of(tx->response_headers, "location"));
}

void http_put(struct jsonw *w, const struct unit *u, bool whole)
{
	const struct http_tx *t = u->tx;
	const htp_tx_t *tx = t->tx;

	(void)whole;
	jsonw_object(w, "http");
	if (t->stream) {
		jsonw_str(w, "version", "2");
		jsonw_object(w, "http2");
		jsonw_u64(w, "stream_id", t->stream);
		jsonw_end(w);
	}
	put_span(w, "hostname", span_bstr(tx->request_hostname));
	if (tx->request_port_number > 0)
		jsonw_u64(w, "http_port", (uint64_t)tx->request_port_number);
	put_span(w, "url", span_bstr(tx->request_uri));
	put_span(w, "http_user_agent", header_of(tx->request_headers, "user-agent"));
	put_span(w, "http_content_type",
		media_type(header_of(tx->response_headers, "content-type")));
	put_span(w, "http_refer", header_of(tx->request_headers, "referer"));
	put_span(w, "http_method", span_bstr(tx->request_method));
	put_span(w, "protocol", span_bstr(tx->request_protocol));
	put_response(w, tx);
	jsonw_u64(
		w, "length", tx->response_message_len > 0 ? (uint64_t)tx->response_message_len : 0);
	jsonw_end(w);
}

/* libhtp says what it found in words; these are the ones that rules have names for. */
static const struct {
	const char *message;
	enum event_id request, response;
} rows[] = {
	{"GZip decompressor", EVENT_HTTP_GZIP_DECOMPRESSION_FAILED,
		EVENT_HTTP_GZIP_DECOMPRESSION_FAILED},
	{"Request field invalid: colon missing", EVENT_HTTP_REQUEST_FIELD_MISSING_COLON, 0},
	{"Response field invalid: missing colon", 0, EVENT_HTTP_RESPONSE_FIELD_MISSING_COLON},
	{"Request chunk encoding: Invalid chunk length", EVENT_HTTP_INVALID_REQUEST_CHUNK_LEN, 0},
	{"Response chunk encoding: Invalid chunk length", 0, EVENT_HTTP_INVALID_RESPONSE_CHUNK_LEN},
	{"Request chunk extension", EVENT_HTTP_REQUEST_CHUNK_EXTENSION, 0},
	{"Invalid C-L field in response", 0, EVENT_HTTP_INVALID_CONTENT_LENGTH_FIELD_IN_RESPONSE},
	{"Already seen 100-Continue", 0, EVENT_HTTP_100_CONTINUE_ALREADY_SEEN},
	{"Unable to match response to request", 0, EVENT_HTTP_UNABLE_TO_MATCH_RESPONSE_TO_REQUEST},
	{"Invalid request field folding", EVENT_HTTP_INVALID_REQUEST_FIELD_FOLDING, 0},
	{"Invalid response field folding", 0, EVENT_HTTP_INVALID_RESPONSE_FIELD_FOLDING},
	{"Request buffer over the limit", EVENT_HTTP_REQUEST_FIELD_TOO_LONG, 0},
	{"Request field length exceeds folded maximum", EVENT_HTTP_REQUEST_FIELD_TOO_LONG, 0},
	{"Response the buffer limit", 0, EVENT_HTTP_RESPONSE_FIELD_TOO_LONG},
	{"Response field length exceeds folded maximum", 0, EVENT_HTTP_RESPONSE_FIELD_TOO_LONG},
	{"Request line: URI contains non-compliant delimiter", EVENT_HTTP_URI_DELIM_NON_COMPLIANT,
		0},
	{"Request line: non-compliant delimiter between Method and URI",
		EVENT_HTTP_METHOD_DELIM_NON_COMPLIANT, 0},
	{"Request line: leading whitespace", EVENT_HTTP_REQUEST_LINE_LEADING_WHITESPACE, 0},
	{"Request line: missing protocol", EVENT_HTTP_REQUEST_LINE_MISSING_PROTOCOL, 0},
	{"Request line incomplete", EVENT_HTTP_REQUEST_LINE_INCOMPLETE, 0},
	{"Request line: unknown method and", EVENT_HTTP_REQUEST_LINE_INVALID, 0},
	{"Too many response content encoding layers", 0, EVENT_HTTP_TOO_MANY_ENCODING_LAYERS},
	{"C-E gzip has abnormal value", 0, EVENT_HTTP_ABNORMAL_CE_HEADER},
	{"C-E deflate has abnormal value", 0, EVENT_HTTP_ABNORMAL_CE_HEADER},
	{"C-E unknown setting", 0, EVENT_HTTP_ABNORMAL_CE_HEADER},
	{"C-T multipart/byteranges", 0, EVENT_HTTP_RESPONSE_MULTIPART_BYTERANGES},
	{"Transfer-encoding has abnormal chunked value", 0,
		EVENT_HTTP_RESPONSE_ABNORMAL_TRANSFER_ENCODING},
	{"Chunked transfer-encoding on HTTP/0.9 or HTTP/1.0", 0,
		EVENT_HTTP_RESPONSE_CHUNKED_OLD_PROTO},
	{"Invalid response line: invalid protocol", 0, EVENT_HTTP_RESPONSE_INVALID_PROTOCOL},
	{"Invalid response line: invalid response status", 0, EVENT_HTTP_RESPONSE_INVALID_STATUS},
	{"Unexpected request body", EVENT_HTTP_REQUEST_BODY_UNEXPECTED, 0},
	{"Ambiguous request C-L value", EVENT_HTTP_DUPLICATE_CONTENT_LENGTH_FIELD_IN_REQUEST, 0},
	{"Ambiguous response C-L value", 0, EVENT_HTTP_DUPLICATE_CONTENT_LENGTH_FIELD_IN_RESPONSE},
	{"Compression bomb", EVENT_HTTP_COMPRESSION_BOMB, EVENT_HTTP_COMPRESSION_BOMB},
	{"LZMA decompressor: memory limit reached", 0, EVENT_HTTP_LZMA_MEMLIMIT_REACHED},
	{"Too many request headers", EVENT_HTTP_REQUEST_TOO_MANY_HEADERS, 0},
	{"Too many response headers", 0, EVENT_HTTP_RESPONSE_TOO_MANY_HEADERS},
	{"Request header name is not a token", EVENT_HTTP_REQUEST_HEADER_INVALID, 0},
	{"Response header name is not a token", 0, EVENT_HTTP_RESPONSE_HEADER_INVALID},
};

enum event_id http_event(const char *message, bool to_server)
{
	struct span text = span_str(message);

	if (span_casestarts(text, SPAN_LIT("Repetition for header")))
		return to_server ? EVENT_HTTP_REQUEST_HEADER_REPETITION
				 : EVENT_HTTP_RESPONSE_HEADER_REPETITION;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (span_casestarts(text, span_str(rows[i].message)))
			return rows[i].request ? rows[i].request : rows[i].response;
	return EVENT_ID_NONE;
}

struct span http_file_name(const htp_tx_t *tx, bool to_server)
{
	struct span name = {};

	if (!to_server)
		name = disposition_name(header_of(tx->response_headers, "content-disposition"));
	if (name.n == 0 && tx->parsed_uri && tx->parsed_uri->path)
		name = span_bstr(tx->parsed_uri->path);
	return name;
}
