#include "lib/mime.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/mime_decode.h"
#include "lib/mime_header.h"
#include "lib/mime_split.h"
#include "lib/mime_tnef.h"

enum seen_kind { SEEN_ENTITY, SEEN_IDENTITY, SEEN_MARKED, SEEN_BASE64, SEEN_QP = 128 };

/* What was read already: readings overlap more often than they differ. */
struct seen {
	const uint8_t *p;
	size_t n;
	unsigned kind;
	unsigned buffer; /* whose bytes: addresses are used again */
};

struct walk {
	const struct mime_limits *limits;
	mime_part_fn on_part;
	void *ctx;
	struct mime_report *report;
	char *scratch; /* limits->header_bytes + 1 */
	struct seen *seen;
	size_t seen_count, seen_cap; /* an open-addressed table */
	unsigned buffer, buffers;    /* the one being read, 0: the message; how many there were */
	uint64_t work_left;
	int stop;
};

/* What a part inherits from the header above it. */
struct about {
	const char *type;
	const char (*names)[MIME_NAME_BYTES];
	unsigned name_count;
	unsigned depth;
	bool message; /* declared to be one */
};

static void entity_read(struct walk *w, struct span s, unsigned depth, bool loose);
static void inside_read(struct walk *w, struct span content, const struct about *about);

static bool is_over(const struct walk *w)
{
	return w->stop != 0 || w->report->limit != MIME_LIMIT_NONE;
}

static void limit_set(struct walk *w, enum mime_limit limit)
{
	if (w->report->limit == MIME_LIMIT_NONE)
		w->report->limit = limit;
}

static bool work_spend(struct walk *w, size_t bytes)
{
	if (bytes > w->work_left) {
		limit_set(w, MIME_LIMIT_WORK);
		return false;
	}
	w->work_left -= bytes;
	return !is_over(w);
}

static bool seen_grow(struct walk *w);

static struct seen *seen_slot(struct walk *w, struct seen key)
{
	/* The address is what a sender does not know. */
	uint64_t h = (uintptr_t)key.p * 0x9e3779b97f4a7c15u;

	h = ((h ^ h >> 29) + key.n) * 0xbf58476d1ce4e5b9u;
	h = ((h ^ h >> 32) + key.kind + ((uint64_t)key.buffer << 8)) * 0x94d049bb133111ebu;
	for (size_t i = (size_t)(h >> 31) & (w->seen_cap - 1);; i = (i + 1) & (w->seen_cap - 1)) {
		struct seen *s = &w->seen[i];
		if (!s->p || (s->p == key.p && s->n == key.n && s->kind == key.kind &&
				     s->buffer == key.buffer))
			return s;
	}
}

/* True the first time. */
static bool seen_first(struct walk *w, struct span s, unsigned kind)
{
	struct seen key = {s.p, s.n, kind, w->buffer};

	if (2 * w->seen_count >= w->seen_cap && !seen_grow(w)) {
		limit_set(w, MIME_LIMIT_MEMORY);
		return false;
	}
	struct seen *slot = seen_slot(w, key);
	if (slot->p)
		return false;
	*slot = key;
	w->seen_count++;
	return true;
}

static bool seen_grow(struct walk *w)
{
	struct seen *old = w->seen;
	size_t old_cap = w->seen_cap, cap = old_cap ? 2 * old_cap : 256;

	w->seen = calloc(cap, sizeof(*w->seen));
	if (!w->seen) {
		w->seen = old;
		return false;
	}
	w->seen_cap = cap;
	for (size_t i = 0; i < old_cap; i++)
		if (old[i].p)
			*seen_slot(w, old[i]) = old[i];
	free(old);
	return true;
}

static void part_give(
	struct walk *w, enum mime_encoding encoding, struct span content, const struct about *about)
{
	struct mime_part part = {.encoding = encoding, .depth = about->depth, .content = content};

	if (is_over(w))
		return;
	if (about->depth > w->limits->depth) {
		limit_set(w, MIME_LIMIT_DEPTH);
		return;
	}
	if (w->report->parts == w->limits->parts) {
		limit_set(w, MIME_LIMIT_PARTS);
		return;
	}
	if (content.n > w->limits->decoded_bytes - w->report->decoded_bytes) {
		limit_set(w, MIME_LIMIT_SIZE);
		return;
	}
	w->report->decoded_bytes += content.n;
	part.number = ++w->report->parts;
	memccpy(part.type, about->type, 0, sizeof(part.type) - 1);
	part.name_count = about->name_count;
	memcpy(part.names, about->names, about->name_count * sizeof(*part.names));
	w->stop = w->on_part(w->ctx, &part);
	if (w->stop == 0)
		inside_read(w, content, about);
}

static struct mime_buffer buffer_for(const struct walk *w)
{
	return (struct mime_buffer){.max = w->limits->decoded_bytes - w->report->decoded_bytes};
}

/* Gives what a decoder made, and lets it go. */
static void buffer_give(struct walk *w, enum mime_encoding encoding, struct mime_buffer *b,
	const struct about *about)
{
	if (b->full)
		limit_set(w, b->n >= b->max / 2 ? MIME_LIMIT_SIZE : MIME_LIMIT_MEMORY);
	if (b->damaged)
		w->report->ambiguous = "a BinHex file with a wrong checksum";
	if (!b->full && b->n && work_spend(w, b->n)) {
		unsigned outer = w->buffer;
		w->buffer = ++w->buffers;
		part_give(w, encoding, span_of(b->p, b->n), about);
		w->buffer = outer;
	}
	mime_buffer_free(b);
}

/* Once plainly, and once for each way in which decoders differ on this input. */
static void encoded_read(
	struct walk *w, enum mime_encoding encoding, struct span body, const struct about *about)
{
	bool base64 = encoding == MIME_BASE64;
	unsigned kind = base64 ? SEEN_BASE64 : SEEN_QP;

	if (body.n == 0 || !work_spend(w, body.n) || !seen_first(w, body, kind))
		return;
	unsigned ways = base64 ? base64_survey(body) : qp_survey(body);
	for (unsigned bit = 0; bit <= BASE64_WAYS && !is_over(w); bit++) {
		unsigned way = bit ? 1u << (bit - 1) : 0;
		if (way && !(ways & way))
			continue;
		struct mime_buffer b = buffer_for(w);
		if (base64)
			base64_decode(body, way, &b);
		else
			qp_decode(body, way, &b);
		buffer_give(w, encoding, &b, about);
	}
}

struct mark {
	struct span text;
	enum mime_encoding encoding;
	bool own_line; /* the data begins on the line after the mark's */
};

static const struct mark marks[] = {
	{SPAN_LIT("begin "), MIME_UU, true},
	{SPAN_LIT("begin-base64 "), MIME_BASE64, true},
	{SPAN_LIT("=ybegin "), MIME_YENC, true},
	{SPAN_LIT("(This file must be converted with BinHex"), MIME_BINHEX, true},
};

/* "begin 644 name", "=ybegin line=128 size=1 name=x": the name is at the end. */
static void mark_name(struct span line, enum mime_encoding encoding, char name[1][MIME_NAME_BYTES])
{
	struct span v = span_trim(line);
	size_t n = 0;

	if (encoding == MIME_YENC) {
		ptrdiff_t at = span_find(v, SPAN_LIT("name="));
		v = at < 0 ? span_take(v, 0) : span_skip(v, (size_t)at + 5);
	} else {
		for (int field = 0; field < 2; field++) {
			ptrdiff_t at = span_chr(v, ' ');
			v = at < 0 ? span_take(v, 0) : span_trim(span_skip(v, (size_t)at));
		}
	}
	for (; n < v.n && n + 1 < MIME_NAME_BYTES; n++)
		name[0][n] = (char)(v.p[n] < ' ' || v.p[n] == 0x7f ? '?' : v.p[n]);
	name[0][n] = '\0';
}

static size_t mark_decode(struct walk *w, const struct mark *m, struct span line, struct span rest,
	const struct about *about)
{
	char name[1][MIME_NAME_BYTES];
	struct about own = {.type = "", .names = name, .depth = about->depth + 1};
	struct mime_buffer b = buffer_for(w);
	size_t used = rest.n;

	mark_name(line, m->encoding, name);
	own.name_count = name[0][0] != '\0';
	if (m->encoding == MIME_UU) {
		used = uu_decode(rest, &b);
	} else if (m->encoding == MIME_YENC) {
		used = yenc_decode(rest, &b);
	} else if (m->encoding == MIME_BASE64) {
		ptrdiff_t end = span_find(rest, SPAN_LIT("===="));
		used = end < 0 ? rest.n : (size_t)end + 4;
		base64_decode(span_take(rest, used), 0, &b);
	} else {
		own.name_count = 0;
		used = binhex_decode(rest, &b);
	}
	buffer_give(w, m->encoding, &b, &own);
	return used;
}

/* Whether a mark may stand at this place: at the start of a line, blanks before it allowed. */
static bool mark_starts_line(struct span s, size_t at)
{
	while (at > 0 && (s.p[at - 1] == ' ' || s.p[at - 1] == '\t'))
		at--;
	return at == 0 || s.p[at - 1] == '\n' || s.p[at - 1] == '\r';
}

static void marked_read(struct walk *w, struct span s, const struct about *about)
{
	if (!seen_first(w, s, SEEN_MARKED))
		return;
	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		size_t at = 0;
		while (!is_over(w) && work_spend(w, 1)) {
			ptrdiff_t found = span_find(span_skip(s, at), marks[i].text);
			if (!work_spend(w, (found < 0 ? s.n - at : (size_t)found) / 8))
				return;
			if (found < 0)
				break;
			at += (size_t)found;
			if (!mark_starts_line(s, at)) {
				at++;
				continue;
			}
			struct span rest = span_skip(s, at), line;
			mime_next_line(&rest, true, &line);
			size_t used = mark_decode(w, &marks[i], line, rest, about);
			if (!work_spend(w, used))
				return;
			/* Not behind the file: a second mark inside is another reading. */
			at = s.n - rest.n;
		}
	}
}

struct tnef_walk {
	struct walk *w;
	const struct about *about;
};

static int on_tnef(void *ctx, const struct tnef_file *f)
{
	struct tnef_walk *t = ctx;
	char name[1][MIME_NAME_BYTES];
	struct about own = {
		.type = "", .names = name, .depth = t->about->depth + 1, .name_count = 1};
	size_t n = 0;

	for (; n < f->title.n && n + 1 < MIME_NAME_BYTES && f->title.p[n]; n++)
		name[0][n] = (char)(f->title.p[n] < ' ' ? '?' : f->title.p[n]);
	name[0][n] = '\0';
	own.name_count = n > 0;
	part_give(t->w, MIME_TNEF, f->data, &own);
	return is_over(t->w);
}

/* What is in the bytes of a part that is shown as it is. */
static void inside_read(struct walk *w, struct span content, const struct about *about)
{
	struct about inner = *about;
	struct tnef_walk t = {w, &inner};

	inner.depth++;
	inner.message = false;
	if (tnef_is(content) && !tnef_read(content, on_tnef, &t))
		limit_set(w, MIME_LIMIT_PARTS);
	if (about->message || header_is_message(content))
		entity_read(w, content, about->depth + 1, !about->message);
	marked_read(w, content, about);
	if (base64_likely(content))
		encoded_read(w, MIME_BASE64, content, &inner);
}

static void leaf_read(struct walk *w, const struct mime_header *h, struct span body, bool certain,
	bool has_parts, const struct about *about)
{
	unsigned coded =
		h->words & (HEADER_BASE64 | HEADER_QP | HEADER_UU | HEADER_YENC | HEADER_BINHEX);
	bool plain = certain && !has_parts && (h->any || about->depth > 0);

	if (h->words & HEADER_BASE64)
		encoded_read(w, MIME_BASE64, body, about);
	if (h->words & HEADER_QP)
		encoded_read(w, MIME_QP, body, about);
	if ((h->words & HEADER_UU) && seen_first(w, body, SEEN_QP + 1)) {
		struct mime_buffer b = buffer_for(w);
		uu_decode(body, &b);
		buffer_give(w, MIME_UU, &b, about);
	}
	if ((h->words & HEADER_YENC) && seen_first(w, body, SEEN_QP + 2)) {
		struct mime_buffer b = buffer_for(w);
		yenc_decode(body, &b);
		buffer_give(w, MIME_YENC, &b, about);
	}
	if ((h->words & HEADER_BINHEX) && seen_first(w, body, SEEN_QP + 3)) {
		struct mime_buffer b = buffer_for(w);
		binhex_decode(body, &b);
		buffer_give(w, MIME_BINHEX, &b, about);
	}
	/* Encoded in just one way: as it stands nobody shows it, and the whole is scanned anyway.
	 */
	if (plain && body.n && (coded & (coded - 1)) == 0 && coded != 0)
		plain = false;
	if (plain && body.n && seen_first(w, body, SEEN_IDENTITY))
		part_give(w, MIME_IDENTITY, body, about);
	else if (!(h->words & HEADER_BASE64) && !has_parts && base64_likely(body))
		encoded_read(w, MIME_BASE64, body, about);
}

/* The line end before a delimiter belongs to the delimiter (RFC 2046, section 5.1.1). */
static struct span segment_of(struct span s, size_t from, size_t to)
{
	if (to > from && s.p[to - 1] == '\n')
		to--;
	if (to > from && s.p[to - 1] == '\r')
		to--;
	return span_of(s.p + from, to - from);
}

static void segments_read(struct walk *w, struct span s, const struct split *split,
	struct span text, bool exact, unsigned depth)
{
	const struct split_line *open = NULL;

	if (!work_spend(w, split->count))
		return;
	for (size_t i = 0; i <= split->count && !is_over(w); i++) {
		const struct split_line *line = i < split->count ? &split->lines[i] : NULL;
		if (line && !split_cuts(line, text, exact))
			continue;
		if (open) {
			size_t end = line ? line->start : s.n;
			entity_read(w, segment_of(s, open->next, end), depth,
				!open->declared || open->closes);
		}
		open = line;
	}
}

static void parts_read(struct walk *w, struct span s, const struct split *split, unsigned depth)
{
	segments_read(w, s, split, (struct span){NULL, 0}, false, depth);
	for (unsigned i = 0; i < split->declared + split->undeclared && !is_over(w); i++) {
		segments_read(w, s, split, split->ways[i], false, depth);
		segments_read(w, s, split, split->ways[i], true, depth);
	}
}

/* loose: nobody declared this to be a part, so it counts only with a header of its own. */
static void entity_read(struct walk *w, struct span s, unsigned depth, bool loose)
{
	struct mime_header h;
	struct split split;

	if (s.n == 0 || !work_spend(w, 64) || !seen_first(w, s, SEEN_ENTITY) || !work_spend(w, s.n))
		return;
	if (depth > w->limits->depth) {
		limit_set(w, MIME_LIMIT_DEPTH);
		return;
	}
	header_survey(s, w->limits->header_bytes, w->scratch, &h);
	if (loose && !h.any)
		return;
	if (h.endless && (h.any || depth == 0))
		limit_set(w, MIME_LIMIT_HEADER);
	if (h.has_nul && depth == 0)
		w->report->ambiguous = "a NUL byte in the header: some readers end it there";
	if (h.words & HEADER_PARTIAL)
		w->report->ambiguous =
			"message/partial: the recipient's program puts it together from "
			"several mails";
	if (!split_find(s, h.block, h.doubt, &split)) {
		limit_set(w, MIME_LIMIT_MEMORY);
	} else {
		if (split.overflow)
			limit_set(w, MIME_LIMIT_PARTS);
		if (split.too_many && (h.words & HEADER_MULTIPART))
			w->report->ambiguous = "too many lines that may be the boundary";
		parts_read(w, s, &split, depth + 1);
		struct about about = {
			h.type, h.names, h.name_count, depth, (h.words & HEADER_MESSAGE) != 0};
		for (unsigned i = 0; i < h.body_count && !is_over(w); i++)
			leaf_read(w, &h, h.bodies[i].text, h.bodies[i].certain, split.count > 0,
				&about);
	}
	split_free(&split);
}

int mime_read(struct span message, const struct mime_limits *limits, mime_part_fn on_part,
	void *ctx, struct mime_report *ret)
{
	struct walk w = {.limits = limits, .on_part = on_part, .ctx = ctx, .report = ret};
	struct about whole = {.type = "", .depth = 0};

	*ret = (struct mime_report){0};
	w.work_left = (uint64_t)message.n * MIME_WORK_FACTOR + MIME_WORK_BYTES;
	w.scratch = malloc(limits->header_bytes + 1);
	if (!w.scratch || !seen_grow(&w)) {
		ret->limit = MIME_LIMIT_MEMORY;
	} else {
		entity_read(&w, message, 0, false);
		marked_read(&w, message, &whole);
	}
	free(w.seen);
	free(w.scratch);
	return w.stop;
}

const char *mime_limit_name(enum mime_limit limit)
{
	static const char *const names[] = {
		[MIME_LIMIT_NONE] = "",
		[MIME_LIMIT_DEPTH] = "depth",
		[MIME_LIMIT_PARTS] = "parts",
		[MIME_LIMIT_HEADER] = "header",
		[MIME_LIMIT_SIZE] = "size",
		[MIME_LIMIT_WORK] = "work",
		[MIME_LIMIT_MEMORY] = "memory",
	};
	return names[limit];
}

const char *mime_encoding_name(enum mime_encoding encoding)
{
	static const char *const names[] = {
		[MIME_IDENTITY] = "identity",
		[MIME_BASE64] = "base64",
		[MIME_QP] = "quoted-printable",
		[MIME_UU] = "uuencode",
		[MIME_YENC] = "yenc",
		[MIME_BINHEX] = "binhex",
		[MIME_TNEF] = "tnef",
	};
	return names[encoding];
}
