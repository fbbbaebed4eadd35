/*
 * data: the message as it travels after DATA or BDAT, and the message as it is. Pure, streaming.
 *
 * The decoder takes the client's bytes as they arrive. After DATA it takes out the stuffed dots and
 * finds the one end there is: CRLF "." CRLF (RFC 5321, section 4.5.2). After BDAT (`raw`, RFC 3030)
 * a dot is a dot and the end is where the chunk ends. A CR without LF, an LF without CR or a NUL is
 * a flaw: some server somewhere would read another end into it (SMTP smuggling), so from then on
 * nothing more is put out, but the real end is still looked for, and the caller refuses the message
 * there. With `normalise` it is mended instead: a lone CR or LF becomes CRLF, a NUL goes, and the
 * first flaw is only noted; an end of the message it never becomes.
 *
 * The gatherer does the reverse for the server leg, without copying: runs of the text itself with
 * the stuffed dots between them. What it is given is canonical, so what is sent is too.
 *
 * Refuses: nothing; a flaw is a result.
 */
#pragma once

#include <sys/uio.h>

#include "lib/span.h"

enum data_flaw { DATA_FINE, DATA_BARE_CR, DATA_BARE_LF, DATA_NUL };

struct data_decoder {
	uint8_t state; /* zero is the beginning of a line, where a message begins */
	bool raw;
	bool normalise;
	enum data_flaw flaw;
	bool end;
	size_t line_bytes, line_bytes_max; /* of the text, without CRLF */
};

/* Decodes in; out needs 2 * in.n + 2 bytes. Returns how many bytes of in belong to the message, its
 * end included: after d->end the rest are commands again. */
size_t data_decode(struct data_decoder *d, struct span in, uint8_t *out, size_t *ret_out);
/* After the last chunk of a raw message: what makes its last line whole (0 to 2 bytes). */
size_t data_finish(struct data_decoder *d, uint8_t *out);

/* "a line feed without a carriage return" */
const char *data_flaw_text(enum data_flaw flaw);

/* Up to max runs that send text, which begins a line unless inside; a dot that begins a line is
 * stuffed unless stuffed says that this has been done for the first. Returns the number of runs;
 * *ret_taken: bytes of text they cover. Dots of the gatherer's own are data_dot. */
int data_gather(struct span text, bool inside, bool stuffed, struct iovec *runs, int max,
	size_t *ret_taken);
extern const char data_dot[1];

/* Every line ends in CRLF, there is no other CR, LF, nor NUL. True for an empty text. */
bool data_is_canonical(struct span text);
