/* DNS messages over UDP and TCP; the first byte chooses. */
#include <stdlib.h>

#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size)
		feed_pieces(data[0] & 1 ? &reader_dns_tcp : &reader_dns_udp,
			span_of(data + 1, size - 1));
	return 0;
}
