/* HTTP/1, HTTP/2 and the way from one to the other; the first byte chooses. */
#include <stdlib.h>

#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size)
		feed_pieces(
			data[0] & 1 ? &reader_http2 : &reader_http, span_of(data + 1, size - 1));
	return 0;
}
