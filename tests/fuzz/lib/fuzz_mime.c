/* A whole message as a stranger wrote it, through the MIME reader with small limits. */
#include <stdlib.h>

#include "lib/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mime_limits limits = {
	.depth = 8, .parts = 300, .header_bytes = 4096, .decoded_bytes = 1u << 20};

struct sums {
	unsigned parts;
	uint64_t bytes;
	unsigned letters;
};

static int on_part(void *ctx, const struct mime_part *part)
{
	struct sums *s = ctx;

	s->parts++;
	s->bytes += part->content.n;
	if (part->depth > limits.depth || part->number != s->parts ||
		part->name_count > MIME_NAMES_MAX)
		abort();
	/* Every byte is there to be read. */
	for (size_t i = 0; i < part->content.n; i++)
		s->letters += part->content.p[i];
	for (unsigned i = 0; i < part->name_count; i++)
		if (strlen(part->names[i]) >= MIME_NAME_BYTES)
			abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sums s = {0};
	struct mime_report r;

	if (mime_read(span_of(data, size), &limits, on_part, &s, &r) != 0)
		abort();
	if (r.parts != s.parts || r.decoded_bytes != s.bytes || r.parts > limits.parts ||
		r.decoded_bytes > limits.decoded_bytes)
		abort();
	return 0;
}
