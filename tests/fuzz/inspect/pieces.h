/* A reader is fed pieces of both directions: a byte for side, hole and end, two for the length. */
#pragma once

#include "inspect/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t seen_bytes;

/* Each byte of each buffer is looked at: a span that points nowhere is found. */
static void on_unit(void *ctx, const struct unit *u)
{
	(void)ctx;
	for (unsigned b = 0; b < BUFFER_COUNT; b++)
		for (size_t i = 0; i < u->buffer[b].n; i++)
			seen_bytes += u->buffer[b].p[i];
	for (unsigned m = 0; m < u->more_n; m++)
		for (size_t i = 0; i < u->more[m].value.n; i++)
			seen_bytes += u->more[m].value.p[i];
	if (u->put) {
		static uint8_t text[65536];
		struct jsonw w;
		jsonw_init(&w, (char *)text, sizeof(text));
		jsonw_object(&w, NULL);
		u->put(&w, u, u->event != NULL);
		jsonw_end(&w);
	}
}

static void feed_pieces(const struct reader_ops *ops, struct span in)
{
	static struct reader_env env = {.fn = on_unit, .wanted = ~UINT64_C(0), .hash_files = true};
	struct cursor c = cursor_of(in);
	struct reader *r = ops->new(&env);
	enum reader_result result = READER_OK;

	while (r && cursor_left(&c) >= 3 && result == READER_OK) {
		uint8_t kind = cursor_u8(&c);
		uint16_t n = cursor_be16(&c);
		struct span piece = cursor_take(&c, n < cursor_left(&c) ? n : cursor_left(&c));
		uint8_t *copy = malloc(piece.n ? piece.n : 1); /* of its own: its end is watched */

		if (!copy)
			break;
		memcpy(copy, piece.p, piece.n);
		if (kind & 2 && ops->end)
			result = ops->end(r, kind & 1, kind & 8);
		else if (kind & 4 && ops->holes)
			result = ops->feed(r, kind & 1, span_of(NULL, n));
		else if (piece.n)
			result = ops->feed(r, kind & 1, span_of(copy, piece.n));
		free(copy);
	}
	if (r && ops->end) {
		ops->end(r, true, false);
		ops->end(r, false, false);
	}
	if (r)
		ops->free(r);
	if (env.http2_n || env.http2_streams || env.file_bytes)
		abort(); /* something was not given back */
}
