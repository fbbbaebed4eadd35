#include "mail/policy_parts.h"

#include <stdio.h>

#include "lib/mime_header.h"

static void text_add(struct parts *p, enum part_text kind, const char *text)
{
	if (!*text)
		return;
	for (unsigned i = 0; i < p->count; i++)
		if (p->texts[i].kind == kind && strcmp(p->texts[i].text, text) == 0)
			return;
	if (p->count == PARTS_TEXTS) {
		p->full = true;
		return;
	}
	p->texts[p->count].kind = kind;
	snprintf(p->texts[p->count++].text, sizeof(p->texts[0].text), "%s", text);
}

static void block_read(struct parts *p, struct span entity)
{
	static char scratch[PARTS_HEADER_BYTES + 1]; /* one message at a time is in here */
	static struct mime_header h;

	header_survey(entity, PARTS_HEADER_BYTES, scratch, &h);
	if (h.endless && h.any)
		p->full = true;
	for (unsigned i = 0; i < h.name_count; i++)
		text_add(p, PART_NAME, h.names[i]);
	if (h.name_count == MIME_NAMES_MAX)
		p->full = true;
	text_add(p, PART_TYPE, h.type);
}

void parts_read(struct parts *p, struct span message)
{
	unsigned blocks = 1;

	*p = (struct parts){0};
	block_read(p, message);
	for (ptrdiff_t at; (at = span_find(message, SPAN_LIT("\n--"))) >= 0;) {
		message = span_skip(message, (size_t)at + 3);
		ptrdiff_t end = span_chr(message, '\n');
		if (end < 0)
			return;
		/* The line feed stays: the next delimiter may begin with it. */
		message = span_skip(message, (size_t)end);
		if (!header_is_field(span_take(span_skip(message, 1), 256)))
			continue;
		if (blocks++ == PARTS_BLOCKS) {
			p->full = true;
			return;
		}
		block_read(p, span_skip(message, 1));
	}
}
