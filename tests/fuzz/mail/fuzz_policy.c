/* What the policy and the quarantine read of a message: names of parts, header text, tags. */
#include <stdlib.h>

#include "mail/outgoing.h"
#include "mail/policy_parts.h"
#include "mail/policy_tag.h"
#include "mail/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whole UTF-8 without control characters. */
static void text_check(const char *text, size_t cap)
{
	size_t more = 0, n = strlen(text);

	if (n >= cap)
		abort();
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)text[i];

		if (c < ' ' || c == 0x7f || ((c & 0xc0) == 0x80) != (more > 0))
			abort();
		more = more ? more - 1 : c < 0xc0 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	}
	if (more)
		abort();
}

static void tag(struct span message)
{
	static struct findings f;
	static const struct policy_rule rule = {.name = "r", .prefix = "\xc3\xa9"};
	struct outgoing o;

	f = (struct findings){0};
	if (policy_tag(&f, message, &rule) == 0) {
		for (unsigned i = 0; i < f.remove_count; i++)
			if (f.remove[i].offset + f.remove[i].bytes > message.n ||
				(i && f.remove[i].offset <
						f.remove[i - 1].offset + f.remove[i - 1].bytes))
				abort();
		if (outgoing_init(&o, &f, message, true) == 0)
			outgoing_free(&o);
	}
	free(f.header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct parts parts;
	struct span in = span_of(data, size);
	char text[200];

	for (size_t cap = 1; cap <= sizeof(text); cap += 33) {
		words_read(in, text, cap);
		text_check(text, cap);
	}
	words_field(in, SPAN_LIT("Subject"));
	parts_read(&parts, in);
	tag(in);
	return 0;
}
