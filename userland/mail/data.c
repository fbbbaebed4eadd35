#include "mail/data.h"

enum state { LINE_START, TEXT, CR, DOT, DOT_CR };

const char data_dot[1] = {'.'};

static void put(struct data_decoder *d, uint8_t c, uint8_t *out, size_t *n)
{
	if (d->flaw == DATA_FINE || d->normalise) {
		out[(*n)++] = c;
		d->line_bytes++;
	}
}

static void line_end(struct data_decoder *d, uint8_t *out, size_t *n)
{
	if (d->line_bytes > d->line_bytes_max)
		d->line_bytes_max = d->line_bytes;
	put(d, '\r', out, n);
	put(d, '\n', out, n);
	d->line_bytes = 0;
}

static void flaw_note(struct data_decoder *d, enum data_flaw flaw)
{
	if (d->flaw == DATA_FINE)
		d->flaw = flaw;
}

/* One byte of a line's text, whatever came before it. After a mended LF the state is TEXT, not
 * LINE_START: only a real CRLF can begin an end. */
static enum state text_byte(struct data_decoder *d, uint8_t c, uint8_t *out, size_t *n)
{
	if (c == '\r')
		return CR;
	if (c == '\n') {
		flaw_note(d, DATA_BARE_LF);
		line_end(d, out, n);
	} else if (c == '\0') {
		flaw_note(d, DATA_NUL);
	} else {
		put(d, c, out, n);
	}
	return TEXT;
}

static enum state after_cr(struct data_decoder *d, uint8_t c, uint8_t *out, size_t *n)
{
	if (c != '\n')
		flaw_note(d, DATA_BARE_CR);
	line_end(d, out, n);
	return c == '\n' ? LINE_START : text_byte(d, c, out, n);
}

static enum state line_start(struct data_decoder *d, uint8_t c, uint8_t *out, size_t *n)
{
	return c == '.' && !d->raw ? DOT : text_byte(d, c, out, n);
}

static enum state step(struct data_decoder *d, enum state state, uint8_t c, uint8_t *out, size_t *n)
{
	switch (state) {
	case LINE_START:
		return line_start(d, c, out, n);
	case TEXT:
		return text_byte(d, c, out, n);
	case CR:
		return after_cr(d, c, out, n);
	case DOT: /* the dot is gone: it was stuffed, or the line is the end */
		return c == '\r' ? DOT_CR : text_byte(d, c, out, n);
	case DOT_CR:
		d->end = c == '\n';
		return d->end ? DOT_CR : after_cr(d, c, out, n);
	}
	return TEXT;
}

/* Length of the whole lines at the front that need no mending, CRLFs included: nearly everything
 * that ever comes. They hold no NUL, no lone CR or LF, and no line begins with a dot. */
static size_t clean_lines(struct data_decoder *d, struct span in)
{
	size_t clean = 0;

	while (clean < in.n && (in.p[clean] != '.' || d->raw)) {
		const uint8_t *line = in.p + clean;
		const uint8_t *lf = memchr(line, '\n', in.n - clean);
		size_t n = lf ? (size_t)(lf - line) : 0;

		if (n == 0 || line[n - 1] != '\r' || memchr(line, '\r', n - 1) ||
			memchr(line, '\0', n - 1))
			break;
		if (n - 1 > d->line_bytes_max)
			d->line_bytes_max = n - 1;
		clean += n + 1;
	}
	return clean;
}

size_t data_decode(struct data_decoder *d, struct span in, uint8_t *out, size_t *ret_out)
{
	size_t n = 0, i = 0;
	enum state state = d->state;

	while (i < in.n && !d->end) {
		if (state == LINE_START && (d->flaw == DATA_FINE || d->normalise)) {
			size_t clean = clean_lines(d, span_skip(in, i));

			memcpy(out + n, in.p + i, clean);
			n += clean;
			i += clean;
			if (i == in.n)
				break;
		}
		state = step(d, state, in.p[i++], out, &n);
	}
	d->state = (uint8_t)state;
	*ret_out = n;
	return i;
}

size_t data_finish(struct data_decoder *d, uint8_t *out)
{
	size_t n = 0;

	if (d->state == CR) /* the message's last byte */
		flaw_note(d, DATA_BARE_CR);
	if (d->state != LINE_START && !(d->state == TEXT && d->normalise && d->line_bytes == 0))
		line_end(d, out, &n);
	d->end = true;
	return n;
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

/* Bytes of text up to the next line that begins with a dot. */
static size_t run_length(struct span text)
{
	size_t at = 1;

	while (at < text.n) {
		const uint8_t *dot = memchr(text.p + at, '.', text.n - at);

		if (!dot)
			break;
		if (dot[-1] == '\n')
			return (size_t)(dot - text.p);
		at = (size_t)(dot - text.p) + 1;
	}
	return text.n;
}

int data_gather(
	struct span text, bool inside, bool stuffed, struct iovec *runs, int max, size_t *ret_taken)
{
	int n = 0;

	*ret_taken = 0;
	while (text.n > 0 && n + 2 <= max) {
		size_t run = run_length(text);

		if (text.p[0] == '.' && !inside && !stuffed)
			runs[n++] = (struct iovec){(void *)data_dot, 1};
		runs[n++] = (struct iovec){(void *)text.p, run};
		*ret_taken += run;
		text = span_skip(text, run);
		inside = stuffed = false;
	}
	return n;
}

bool data_is_canonical(struct span text)
{
	struct data_decoder d = {.raw = true};

	if (text.n && text.p[text.n - 1] != '\n')
		return false;
	return clean_lines(&d, text) == text.n;
}
