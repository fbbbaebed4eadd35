/* Lists of addresses and of domain names: the first byte chooses kind and column, the rest is
 * lines. What comes out is read again and must be the same: it is in its one form. */
#include <stdlib.h>

#include "update/list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char out[LIST_ENTRY_CHARS + 1], again[LIST_ENTRY_CHARS + 1];

	if (size == 0)
		return 0;
	enum list_kind kind = data[0] & 1 ? LIST_ADDRESSES : LIST_DOMAINS;
	struct span s = span_of(data + 1, size - 1);
	while (s.n > 0) {
		ptrdiff_t end = span_chr(s, '\n');
		struct span line = end < 0 ? s : span_take(s, (size_t)end);
		s = span_skip(s, end < 0 ? s.n : (size_t)end + 1);
		if (line.n > LIST_LINE_BYTES ||
			list_line_read(kind, 1 + (data[0] >> 1) % 4, line, out) != LIST_ENTRY)
			continue;
		if (list_line_read(kind, 1, span_str(out), again) != LIST_ENTRY ||
			strcmp(out, again) != 0)
			abort();
	}
	return 0;
}
