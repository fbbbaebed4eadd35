/* A frame as it comes from the wire, told in one line. */
#include <stdlib.h>

#include "cli/capture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct capture any = {0};
	struct capture_packet p;
	char text[160];

	capture_decode(span_of(data, size), &p);
	capture_describe(&p, text, sizeof(text));
	if (!capture_wants(&any, &p) || strlen(text) == 0)
		abort();
	return 0;
}
