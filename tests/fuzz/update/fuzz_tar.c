/* The tarball reader: the bytes as they are, in two pieces, into a caller that checks the promises.
 */
#include <stdlib.h>

#include "update/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t expected; /* bytes of the present file that are still to come */

static int on_file(void *ctx, const char *name, uint64_t bytes, const char **why)
{
	(void)ctx;
	(void)why;
	if (*name == '/' || strncmp(name, "../", 3) == 0 || strstr(name, "/../"))
		abort();
	expected = bytes;
	return 1;
}

static int on_data(void *ctx, struct span s, const char **why)
{
	(void)ctx;
	(void)why;
	if (s.n == 0 || s.n > expected)
		abort();
	expected -= s.n;
	return 0;
}

static int on_done(void *ctx, const char **why)
{
	(void)ctx;
	(void)why;
	if (expected != 0)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct tar_ops ops = {.file = on_file, .data = on_data, .done = on_done};
	struct span s = span_of(data, size);
	struct tar t;

	expected = 0;
	tar_init(&t, &ops, NULL, 256 << 20);
	enum tar_result r = tar_feed(&t, span_take(s, size / 3));
	if (r == TAR_MORE)
		r = tar_feed(&t, span_skip(s, size / 3));
	if ((r == TAR_BAD) != (t.why != NULL))
		abort();
	return 0;
}
