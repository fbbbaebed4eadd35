#include "inspect/line.h"

#include <stdlib.h>

static bool keep(struct line_buffer *b, struct span part)
{
	size_t room = b->room ? b->room : 256;

	part = span_take(part, LINE_BYTES - (size_t)b->n);
	while (room < b->n + part.n)
		room *= 2;
	if (room != b->room) {
		uint8_t *p = realloc(b->bytes, room);
		if (!p)
			return false;
		b->bytes = p;
		b->room = (uint16_t)room;
	}
	if (part.n)
		memcpy(b->bytes + b->n, part.p, part.n);
	b->n = (uint16_t)(b->n + part.n);
	return true;
}

static struct line finished(struct span text)
{
	struct line l = {.text = text, .bare = true};

	if (text.n && text.p[text.n - 1] == '\r') {
		l.text.n--;
		l.bare = false;
	}
	return l;
}

bool line_next(struct line_buffer *b, struct span *data, struct line *ret)
{
	while (data->n) {
		ptrdiff_t end = span_chr(*data, '\n');
		struct span part = end < 0 ? *data : span_take(*data, (size_t)end);
		*data = span_skip(*data, part.n + (end >= 0));
		if (b->skipping) {
			b->skipping = end < 0;
			continue;
		}
		if (end >= 0 && b->n == 0 && part.n <= LINE_BYTES) {
			*ret = finished(part);
			return true;
		}
		bool full = b->n + part.n > LINE_BYTES;
		if (!keep(b, part))
			b->n = 0;
		if (end < 0 && !full)
			return false;
		*ret = full ? (struct line){.text = span_of(b->bytes, b->n), .cut = true}
			    : finished(span_of(b->bytes, b->n));
		b->skipping = full && end < 0;
		b->n = 0; /* the bytes stay until the next call */
		return true;
	}
	return false;
}

void line_fini(struct line_buffer *b)
{
	free(b->bytes);
	*b = (struct line_buffer){};
}
