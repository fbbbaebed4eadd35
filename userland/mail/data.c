#include "mail/data.h"

enum state { LINE_START, TEXT, CR, DOT, DOT_CR };

static void flaw_note(struct data_decoder *d, enum data_flaw flaw)
{
	if (d->flaw == DATA_FINE)
		d->flaw = flaw;
}

/* One byte of a line's text, whatever came before it. */
static enum state text_byte(struct data_decoder *d, uint8_t c, uint8_t *out, size_t *n)
{
	if (c == '\r')
		return CR;
	if (c == '\n')
		flaw_note(d, DATA_BARE_LF);
	else if (c == '\0')
		flaw_note(d, DATA_NUL);
	if (d->flaw == DATA_FINE)
		out[(*n)++] = c;
	return TEXT;
}

static enum state after_cr(struct data_decoder *d, uint8_t c, uint8_t *out, size_t *n)
{
	if (c != '\n') {
		flaw_note(d, DATA_BARE_CR);
		return text_byte(d, c, out, n);
	}
	if (d->flaw == DATA_FINE) {
		out[(*n)++] = '\r';
		out[(*n)++] = '\n';
	}
	return LINE_START;
}

size_t data_decode(struct data_decoder *d, struct span in, uint8_t *out, size_t *ret_out)
{
	size_t n = 0, i = 0;
	enum state state = d->state;

	while (i < in.n && !d->end) {
		uint8_t c = in.p[i++];

		switch (state) {
		case LINE_START:
			state = c == '.' ? DOT : text_byte(d, c, out, &n);
			break;
		case TEXT:
			state = text_byte(d, c, out, &n);
			break;
		case CR:
			state = after_cr(d, c, out, &n);
			break;
		case DOT: /* the dot is gone: it was stuffed, or the line is the end */
			state = c == '\r' ? DOT_CR : text_byte(d, c, out, &n);
			break;
		case DOT_CR:
			if (c == '\n')
				d->end = true;
			else
				state = after_cr(d, c, out, &n);
			break;
		}
	}
	d->state = (uint8_t)state;
	*ret_out = n;
	return i;
}

const char *data_flaw_text(enum data_flaw flaw)
{
	static const char *const texts[] = {
		[DATA_FINE] = "nothing wrong",
		[DATA_BARE_CR] = "a carriage return without a line feed",
		[DATA_BARE_LF] = "a line feed without a carriage return",
		[DATA_NUL] = "a NUL byte",
	};
	return texts[flaw];
}

size_t data_encode(
	struct data_encoder *e, struct span in, uint8_t *out, size_t cap, size_t *ret_out)
{
	size_t n = 0, i = 0;

	/* A byte takes at most two places. */
	while (i < in.n && n + 2 <= cap) {
		uint8_t c = in.p[i++];
		if (c == '.' && !e->inside)
			out[n++] = '.';
		out[n++] = c;
		e->inside = !(c == '\n' && e->before == '\r');
		e->before = c;
	}
	*ret_out = n;
	return i;
}

bool data_is_canonical(struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		if (c == '\0' || (c == '\n' && (i == 0 || text.p[i - 1] != '\r')) ||
			(c == '\r' && (i + 1 == text.n || text.p[i + 1] != '\n')))
			return false;
	}
	return text.n == 0 || text.p[text.n - 1] == '\n';
}
