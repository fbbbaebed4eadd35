/* Records, hellos and certificates. */
#include <stdlib.h>

#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	feed_pieces(&reader_tls, span_of(data, size));
	return 0;
}
