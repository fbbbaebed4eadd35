/* fuzz_from: the value of a From field. What is not refused names one domain in letters that every
 * program shows alike. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mailauth/from.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct from *f)
{
	char again[DOMAIN_BYTES];

	if (!domain_read(span_str(f->domain), again) || strcmp(again, f->domain) != 0)
		abort();
	for (const char *p = f->domain; *p; p++)
		if (*p <= ' ' || *p > '~')
			abort();
	for (const char *p = f->display_name; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			abort();
	if (!strchr(f->address, '@'))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message m = {0};
	struct from f;
	uint8_t *text = malloc(size + 7);

	memcpy(text, "From:", 5);
	if (size)
		memcpy(text + 5, data, size);
	memcpy(text + 5 + size, "\r\n", 2);
	message_read(&m, span_of(text, size + 7));
	if (!from_read(&m, &f))
		check(&f);
	message_free(&m);
	free(text);
	return 0;
}
