#include "mailauth/body.h"

#include <stdlib.h>

struct want {
	enum canon form;
	enum digest_kind kind;
	uint64_t limit;
	size_t n;
	uint8_t value[DIGEST_BYTES_MAX];
};

/* One canonical form on its way through the message. */
struct stream {
	bool is_wanted;
	bool is_done;
	bool has_blank; /* blanks that count only when more follows on the line */
	size_t at;      /* of the message */
	size_t lines;   /* line ends that count only when content follows */
	uint64_t length;
	bool has_digest[DIGEST_KINDS];
	struct digest digest[DIGEST_KINDS];
};

struct body {
	struct span bytes;
	unsigned count;
	struct want wants[BODY_WANTS_MAX];
	struct stream streams[CANON_RELAXED + 1];
};

struct body *body_new(struct span bytes)
{
	struct body *b = calloc(1, sizeof(*b));

	if (b)
		b->bytes = bytes;
	return b;
}

void body_free(struct body *b)
{
	if (!b)
		return;
	for (size_t f = 0; f <= CANON_RELAXED; f++)
		for (size_t k = 0; k < DIGEST_KINDS; k++)
			digest_fini(&b->streams[f].digest[k]);
	free(b);
}

int body_want(struct body *b, enum canon form, enum digest_kind kind, uint64_t limit)
{
	struct stream *s = &b->streams[form];
	unsigned i;

	for (i = 0; i < b->count; i++) {
		const struct want *w = &b->wants[i];
		if (w->form == form && w->kind == kind && w->limit == limit)
			return (int)i;
	}
	if (i == BODY_WANTS_MAX)
		return -1;
	b->wants[b->count++] = (struct want){.form = form, .kind = kind, .limit = limit};
	s->is_wanted = true;
	if (!s->has_digest[kind])
		digest_init(&s->digest[kind], kind);
	s->has_digest[kind] = true;
	return (int)i;
}

static enum canon form_of(const struct body *b, const struct stream *s)
{
	return (enum canon)(s - b->streams);
}

/* Results whose length is reached just now. */
static void take_results(struct body *b, struct stream *s, uint64_t limit)
{
	for (unsigned i = 0; i < b->count; i++) {
		struct want *w = &b->wants[i];
		if (w->form == form_of(b, s) && w->limit == limit)
			w->n = digest_peek(&s->digest[w->kind], w->value);
	}
}

/* The next length at which a result is due. */
static uint64_t next_limit(const struct body *b, const struct stream *s)
{
	uint64_t least = BODY_WHOLE;

	for (unsigned i = 0; i < b->count; i++) {
		const struct want *w = &b->wants[i];
		if (w->form == form_of(b, s) && w->limit > s->length && w->limit < least)
			least = w->limit;
	}
	return least;
}

static void emit(struct body *b, struct stream *s, struct span piece)
{
	while (piece.n) {
		uint64_t limit = next_limit(b, s), room = limit - s->length;
		struct span part = room < piece.n ? span_take(piece, (size_t)room) : piece;
		for (size_t k = 0; k < DIGEST_KINDS; k++)
			if (s->has_digest[k])
				digest_put(&s->digest[k], part);
		s->length += part.n;
		piece = span_skip(piece, part.n);
		if (s->length == limit)
			take_results(b, s, limit);
	}
}

static void emit_lines(struct body *b, struct stream *s)
{
	static const char ends[] =
		"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
	const size_t most = (sizeof(ends) - 1) / 2;

	while (s->lines) {
		size_t n = s->lines < most ? s->lines : most;
		emit(b, s, span_of(ends, 2 * n));
		s->lines -= n;
	}
}

static bool is_line_end(struct span m, size_t i)
{
	return i + 1 < m.n && m.p[i] == '\r' && m.p[i + 1] == '\n';
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* Does content that stands for itself begin here? Then a single blank or line end before it does
 * too. */
static bool is_plain(struct span m, size_t i)
{
	return i < m.n && !is_blank(m.p[i]) && m.p[i] != '\r';
}

/* Where the run of bytes ends that the form leaves as they are. */
static size_t relaxed_run(struct span m, size_t i, size_t end)
{
	while (i < end) {
		uint8_t c = m.p[i];
		if (c != ' ' && c != '\t' && c != '\r')
			i++;
		else if (c == '\r' && !is_line_end(m, i))
			i++;
		else if (c == ' ' && is_plain(m, i + 1))
			i++;
		else if (c == '\r' && is_plain(m, i + 2))
			i += 2;
		else
			break;
	}
	return i;
}

static void relaxed_step(struct body *b, struct stream *s, size_t end)
{
	struct span m = b->bytes;

	while (s->at < end) {
		size_t i = s->at;
		if (is_blank(m.p[i])) {
			s->has_blank = true;
			s->at++;
			continue;
		}
		if (is_line_end(m, i)) {
			s->has_blank = false;
			s->lines++;
			s->at += 2;
			continue;
		}
		emit_lines(b, s);
		if (s->has_blank)
			emit(b, s, SPAN_LIT(" "));
		s->has_blank = false;
		s->at = relaxed_run(m, i, end);
		emit(b, s, span_of(m.p + i, s->at - i));
	}
}

static size_t simple_run(struct span m, size_t i, size_t end)
{
	while (i < end) {
		const uint8_t *cr = memchr(m.p + i, '\r', end - i);
		if (!cr)
			return end;
		i = (size_t)(cr - m.p);
		if (!is_line_end(m, i))
			i++;
		else if (i + 2 < m.n && m.p[i + 2] != '\r')
			i += 2;
		else
			break;
	}
	return i;
}

static void simple_step(struct body *b, struct stream *s, size_t end)
{
	struct span m = b->bytes;

	while (s->at < end) {
		size_t i = s->at;
		if (is_line_end(m, i)) {
			s->lines++;
			s->at += 2;
			continue;
		}
		emit_lines(b, s);
		s->at = simple_run(m, i, end);
		emit(b, s, span_of(m.p + i, s->at - i));
	}
}

/* Empty lines at the end do not count, a last line without an end gets one. Nothing at all is
 * nothing when relaxed, one line end when simple. */
static void finish(struct body *b, struct stream *s)
{
	if (s->length || form_of(b, s) == CANON_SIMPLE)
		emit(b, s, SPAN_LIT("\r\n"));
	take_results(b, s, BODY_WHOLE);
	s->is_done = true;
}

static bool stream_step(struct body *b, struct stream *s, size_t bytes)
{
	size_t left = b->bytes.n - s->at, end = s->at + (bytes < left ? bytes : left);

	if (!s->is_wanted || s->is_done)
		return true;
	if (s->at == 0)
		take_results(b, s, 0);
	if (form_of(b, s) == CANON_RELAXED)
		relaxed_step(b, s, end);
	else
		simple_step(b, s, end);
	if (s->at >= b->bytes.n)
		finish(b, s);
	return s->is_done;
}

bool body_step(struct body *b, size_t bytes)
{
	bool done = true;

	for (size_t f = 0; f <= CANON_RELAXED; f++)
		done &= stream_step(b, &b->streams[f], bytes);
	return done;
}

struct span body_digest(const struct body *b, int want)
{
	if (want < 0)
		return (struct span){0};
	return span_of(b->wants[want].value, b->wants[want].n);
}

uint64_t body_length(const struct body *b, enum canon form)
{
	return b->streams[form].length;
}

bool body_is_partial(const struct body *b, int want)
{
	const struct want *w = &b->wants[want];

	return w->limit < b->streams[w->form].length;
}
