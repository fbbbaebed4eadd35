#include "lib/mime_tnef.h"

#define TNEF_ATTACH_DATA 0x800f
#define TNEF_ATTACH_TITLE 0x8010
#define TNEF_ATTACH_START 0x9002

static uint32_t le32(struct cursor *c)
{
	uint32_t a = cursor_u8(c), b = cursor_u8(c), d = cursor_u8(c), e = cursor_u8(c);

	return a | b << 8 | d << 16 | e << 24;
}

bool tnef_is(struct span text)
{
	struct cursor c = cursor_of(text);

	return le32(&c) == 0x223e9f78 && cursor_ok(&c);
}

static bool file_give(
	struct tnef_file *f, int (*on_file)(void *ctx, const struct tnef_file *f), void *ctx)
{
	bool stop = f->data.n && on_file(ctx, f) != 0;

	*f = (struct tnef_file){0};
	return stop;
}

bool tnef_read(struct span text, int (*on_file)(void *ctx, const struct tnef_file *f), void *ctx)
{
	struct cursor c = cursor_of(text);
	struct tnef_file file = {0};

	cursor_skip(&c, 4 + 2); /* signature, key */
	for (unsigned i = 0; cursor_left(&c) >= 9; i++) {
		if (i == TNEF_ATTRIBUTES_MAX)
			return false;
		cursor_skip(&c, 1);
		uint32_t id = le32(&c) & 0xffff;
		size_t bytes = le32(&c);
		struct span data = span_take(cursor_rest(&c), bytes);
		cursor_skip(&c, data.n);
		cursor_skip(&c, cursor_left(&c) < 2 ? cursor_left(&c) : 2);
		if (id == TNEF_ATTACH_START && file_give(&file, on_file, ctx))
			return true;
		if (id == TNEF_ATTACH_DATA) {
			if (file.data.n && file_give(&file, on_file, ctx))
				return true;
			file.data = data;
		} else if (id == TNEF_ATTACH_TITLE) {
			file.title = data;
		}
	}
	file_give(&file, on_file, ctx);
	return true;
}
