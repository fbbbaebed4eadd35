/*
 * data: the message as it travels after DATA, and the message as it is. Pure, streaming.
 *
 * The decoder takes the client's bytes as they arrive, takes out the stuffed dots and finds the one
 * end there is: CRLF "." CRLF (RFC 5321, section 4.5.2). A CR without LF, an LF without CR or a
 * NUL is a flaw: some server somewhere would read another end into it (SMTP smuggling), so from
 * then on nothing more is put out, but the real end is still looked for, and the caller refuses the
 * message there. The encoder does the reverse for the server leg; what it is given is
 * canonical, so what it sends is too.
 *
 * Refuses: nothing; a flaw is a result.
 */
#pragma once

#include "lib/span.h"

enum data_flaw { DATA_FINE, DATA_BARE_CR, DATA_BARE_LF, DATA_NUL };

struct data_decoder {
	uint8_t state; /* zero is the beginning of a line, where a message begins */
	enum data_flaw flaw;
	bool end;
};

/* Decodes in; out needs in.n + 1 bytes. Returns how many bytes of in belong to the message, its end
 * included: after d->end the rest are commands again. */
size_t data_decode(struct data_decoder *d, struct span in, uint8_t *out, size_t *ret_out);

/* "a line feed without a carriage return" */
const char *data_flaw_text(enum data_flaw flaw);

struct data_encoder {
	bool inside;    /* of a line; false at the beginning of one */
	uint8_t before; /* the last byte put out */
};

/* Encodes as much of in as fits; returns how many bytes of in were taken. */
size_t data_encode(
	struct data_encoder *e, struct span in, uint8_t *out, size_t cap, size_t *ret_out);

/* Every line ends in CRLF, there is no other CR, LF, nor NUL. True for an empty text. */
bool data_is_canonical(struct span text);
