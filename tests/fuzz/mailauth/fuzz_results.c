/* fuzz_results: the value of an Authentication-Results field. One that begins with our name is
 * never left in. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mailauth/results.h"

#define ID "mx.example"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool begins_with_id(struct span value)
{
	struct span v = span_trim(value);

	return span_casestarts(v, SPAN_LIT(ID)) &&
	       (v.n == sizeof(ID) - 1 || strchr("; \t\r\n", v.p[sizeof(ID) - 1]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct range ranges[HEADER_FIELDS_MAX];
	static const char name[] = "Authentication-Results:";
	uint8_t *text = malloc(sizeof(name) + size);
	struct message m = {0};
	struct span rest;
	unsigned n;

	memcpy(text, name, sizeof(name) - 1);
	if (size)
		memcpy(text + sizeof(name) - 1, data, size);
	message_read(&m, span_of(text, sizeof(name) - 1 + size));
	n = results_find_forged(&m, ID, ranges);
	if (begins_with_id(m.fields[0].value) && (n == 0 || ranges[0].offset != 0))
		abort();
	for (unsigned i = 0; i < n; i++)
		if (ranges[i].offset + ranges[i].length > m.bytes.n)
			abort();
	results_instance(m.fields[0].value, &rest);
	results_pass_dmarc(m.fields[0].value, "example.com");
	results_pass_dmarc(rest, "example.com");
	message_free(&m);
	free(text);
	return 0;
}
