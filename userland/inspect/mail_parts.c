#include "inspect/mail_parts.h"

#include "inspect/multipart.h"

void mail_parts_begin(struct mail_parts *m, mail_parts_file_fn *fn, void *ctx, size_t *used_bytes,
	uint32_t tx_id, bool hashed)
{
	*m = (struct mail_parts){.fn = fn,
		.ctx = ctx,
		.used_bytes = used_bytes,
		.tx_id = tx_id,
		.hashed = hashed,
		.is_top = true};
}

static void file_finish(struct mail_parts *m, enum file_state state)
{
	if (!m->has_file)
		return;
	file_close(&m->file, state);
	m->fn(m->ctx, &m->file, true);
	file_fini(&m->file, m->used_bytes);
	m->has_file = false;
}

static void text_keep(struct mail_text *t, struct span value)
{
	value = span_take(value, MIME_TEXT_BYTES);
	memcpy(t->p, value.p, value.n);
	t->n = (uint16_t)value.n;
}

static void name_keep(struct mail_parts *m, struct span name)
{
	name = span_take(name, FILE_NAME_BYTES);
	if (name.n == 0)
		return;
	memcpy(m->name, name.p, name.n);
	m->name_n = (uint16_t)name.n;
}

/* name= of Content-Type, where Content-Disposition says nothing. */
static struct span type_name(struct span value)
{
	ptrdiff_t at = span_find(value, SPAN_LIT("name="));

	if (at < 0)
		return (struct span){};
	struct span v = span_skip(value, (size_t)at + 5);
	if (v.n && v.p[0] == '"') {
		v = span_skip(v, 1);
		ptrdiff_t end = span_chr(v, '"');
		return end < 0 ? v : span_take(v, (size_t)end);
	}
	ptrdiff_t end = span_chr(v, ';');
	return span_trim(end < 0 ? v : span_take(v, (size_t)end));
}

static void on_content_type(struct mail_parts *m, struct span value)
{
	if (span_casestarts(value, SPAN_LIT("multipart/"))) {
		struct span boundary = multipart_boundary(value);
		if (boundary.n == 0 || boundary.n > MIME_BOUNDARY_BYTES || m->depth == MIME_DEPTH) {
			m->broken |= boundary.n > 0;
			return;
		}
		memcpy(m->boundary[m->depth].p, boundary.p, boundary.n);
		m->boundary[m->depth++].n = (uint8_t)boundary.n;
		return;
	}
	if (m->name_n == 0)
		name_keep(m, type_name(value));
}

static void on_encoding(struct mail_parts *m, struct span value)
{
	if (span_casestarts(value, SPAN_LIT("base64")))
		m->encoding = MIME_BASE64;
	else if (span_casestarts(value, SPAN_LIT("quoted-printable")))
		m->encoding = MIME_QUOTED;
}

/* filename*0=, filename*1= ... (RFC 2231, section 3) */
static void name_pieces(struct mail_parts *m, struct span value)
{
	char key[] = "filename*0=";

	for (char i = '0'; i <= '9'; i++) {
		key[9] = i;
		ptrdiff_t at = span_find(value, span_str(key));
		if (at < 0)
			return;
		struct span piece = span_skip(value, (size_t)at + sizeof(key) - 1);
		ptrdiff_t end = span_chr(piece, ';');
		piece = span_trim(end < 0 ? piece : span_take(piece, (size_t)end));
		if (piece.n >= 2 && piece.p[0] == '"' && piece.p[piece.n - 1] == '"')
			piece = span_take(span_skip(piece, 1), piece.n - 2);
		piece = span_take(piece, FILE_NAME_BYTES - (size_t)m->name_n);
		memcpy(m->name + m->name_n, piece.p, piece.n);
		m->name_n = (uint16_t)(m->name_n + piece.n);
	}
}

static void on_disposition(struct mail_parts *m, struct span value)
{
	struct span name = disposition_name(value);

	m->name_n = 0;
	if (name.n)
		name_keep(m, name);
	else
		name_pieces(m, value);
}

static void on_from(struct mail_parts *m, struct span value)
{
	if (m->is_top)
		text_keep(&m->from, value);
}

static void on_to(struct mail_parts *m, struct span value)
{
	if (m->is_top)
		text_keep(&m->to, value);
}

static void on_subject(struct mail_parts *m, struct span value)
{
	if (m->is_top)
		text_keep(&m->subject, value);
}

static void header_done(struct mail_parts *m)
{
	static const struct {
		const char *name;
		void (*fn)(struct mail_parts *m, struct span value);
	} rows[] = {{"content-type:", on_content_type}, {"content-transfer-encoding:", on_encoding},
		{"content-disposition:", on_disposition}, {"from:", on_from}, {"to:", on_to},
		{"subject:", on_subject}};
	struct span line = span_of(m->header, m->header_n);

	m->header_n = 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct span name = span_str(rows[i].name);
		if (span_casestarts(line, name))
			rows[i].fn(m, span_trim(span_skip(line, name.n)));
	}
}

static void header_add(struct mail_parts *m, struct span line)
{
	line = span_take(line, MIME_HEADER_BYTES - (size_t)m->header_n);
	memcpy(m->header + m->header_n, line.p, line.n);
	m->header_n = (uint16_t)(m->header_n + line.n);
}

static void part_begin(struct mail_parts *m)
{
	m->in_body = true;
	m->is_top = false;
	m->bits = m->bits_n = 0;
	m->line_before = false;
	if (m->name_n == 0)
		return;
	struct span name = span_of(m->name, m->name_n);
	file_open(&m->file, name, true, m->tx_id, m->hashed);
	m->has_file = true;
	if (m->names_n == MIME_NAMES)
		return;
	memcpy(m->names[m->names_n].p, name.p, name.n);
	m->names[m->names_n++].n = (uint8_t)name.n;
}

static void headers_begin(struct mail_parts *m)
{
	m->in_body = false;
	m->encoding = MIME_PLAIN;
	m->name_n = 0;
}

/* A folded line goes on where the one before ended (RFC 5322, section 2.2.3). */
static void header_line(struct mail_parts *m, struct span line)
{
	if (line.n && (line.p[0] == ' ' || line.p[0] == '\t')) {
		header_add(m, line);
		return;
	}
	header_done(m);
	if (line.n == 0)
		part_begin(m);
	else
		header_add(m, line);
}

static int digit64(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static size_t decode64(struct mail_parts *m, struct span line, uint8_t *to)
{
	size_t n = 0;

	for (size_t i = 0; i < line.n && line.p[i] != '='; i++) {
		int v = digit64(line.p[i]);
		if (v < 0)
			continue; /* other bytes are ignored: RFC 2045, section 6.8 */
		m->bits = m->bits << 6 | (uint32_t)v;
		if (++m->bits_n % 4 == 1)
			continue;
		to[n++] = (uint8_t)(m->bits >> (6 - 2 * ((m->bits_n - 1) % 4)));
	}
	return n;
}

static int digit16(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t decode_quoted(struct mail_parts *m, struct span line, uint8_t *to)
{
	size_t n = 0;
	bool soft = line.n && line.p[line.n - 1] == '=';

	for (size_t i = 0; i < line.n - soft; i++) {
		int high = i + 2 < line.n && line.p[i] == '=' ? digit16(line.p[i + 1]) : -1;
		int low = high >= 0 ? digit16(line.p[i + 2]) : -1;
		to[n++] = (uint8_t)(low < 0 ? line.p[i] : (unsigned)high << 4 | (unsigned)low);
		i += low < 0 ? 0 : 2;
	}
	m->line_before = !soft;
	return n;
}

static void body_line(struct mail_parts *m, struct span line)
{
	uint8_t bytes[8192];

	bytes[0] = 0;
	line = span_take(line, sizeof(bytes));
	if (m->encoding == MIME_BASE64) {
		file_append(&m->file, m->used_bytes, span_of(bytes, decode64(m, line, bytes)));
	} else {
		if (m->line_before)
			file_append(&m->file, m->used_bytes, SPAN_LIT("\r\n"));
		m->line_before = true;
		size_t n = line.n;
		if (m->encoding == MIME_QUOTED)
			n = decode_quoted(m, line, bytes);
		file_append(&m->file, m->used_bytes,
			m->encoding == MIME_QUOTED ? span_of(bytes, n) : line);
	}
	if (file_is_due(&m->file))
		m->fn(m->ctx, &m->file, false);
}

/* The line is a boundary of one of the levels: parts of deeper ones end with it. */
static bool boundary_line(struct mail_parts *m, struct span line)
{
	if (line.n < 2 || line.p[0] != '-' || line.p[1] != '-')
		return false;
	struct span rest = span_skip(line, 2);
	for (unsigned i = m->depth; i-- > 0;) {
		struct span boundary = span_of(m->boundary[i].p, m->boundary[i].n);
		if (!span_eq(span_take(rest, boundary.n), boundary))
			continue;
		file_finish(m, FILE_CLOSED);
		bool last = span_eq(span_take(span_skip(rest, boundary.n), 2), SPAN_LIT("--"));
		m->depth = last ? i : i + 1;
		headers_begin(m);
		m->in_body = last; /* an epilogue is nothing */
		return true;
	}
	return false;
}

void mail_parts_line(struct mail_parts *m, struct span line)
{
	if (m->depth && boundary_line(m, line))
		return;
	if (!m->in_body)
		header_line(m, line);
	else if (m->has_file)
		body_line(m, line);
}

void mail_parts_end(struct mail_parts *m, bool whole)
{
	if (!m->in_body)
		header_done(m);
	file_finish(m, whole ? FILE_CLOSED : FILE_TRUNCATED);
}

static void put_text(struct jsonw *w, const char *key, const struct mail_text *t)
{
	if (t->n)
		jsonw_span(w, key, span_of(t->p, t->n));
}

void mail_parts_put(struct jsonw *w, const struct mail_parts *m, bool done)
{
	jsonw_str(w, "status", done ? "PARSE_DONE" : "PARSE_IN_PROGRESS");
	put_text(w, "from", &m->from);
	if (m->to.n) {
		struct span rest = span_of(m->to.p, m->to.n);
		jsonw_array(w, "to");
		while (rest.n) {
			ptrdiff_t comma = span_chr(rest, ',');
			struct span one = comma < 0 ? rest : span_take(rest, (size_t)comma);
			jsonw_span(w, NULL, span_trim(one));
			rest = span_skip(rest, one.n + 1);
		}
		jsonw_end(w);
	}
	put_text(w, "subject", &m->subject);
	if (!m->names_n)
		return;
	jsonw_array(w, "attachment");
	for (unsigned i = 0; i < m->names_n; i++)
		jsonw_span(w, NULL, span_of(m->names[i].p, m->names[i].n));
	jsonw_end(w);
}
