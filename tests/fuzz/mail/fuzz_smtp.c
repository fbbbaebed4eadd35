/* What a client and a server send, byte by byte as they like: commands, replies, EHLO and messages.
 */
#include <stdlib.h>

#include "mail/data.h"
#include "mail/smtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void commands(struct span in)
{
	struct smtp_command c;

	for (enum smtp_parse r; (r = smtp_command_parse(in, &c)) == SMTP_OK || r == SMTP_BAD;) {
		struct span address;
		if (r == SMTP_OK && smtp_path(c.argument, SPAN_LIT("FROM:"), &address) &&
			(address.p < in.p || address.p + address.n > in.p + c.bytes))
			abort();
		smtp_is_utf8(c.argument);
		in = span_skip(in, c.bytes);
	}
}

static void replies(struct span in)
{
	static uint8_t out[SMTP_REPLY_BYTES];
	struct smtp_reply reply, again;

	while (smtp_reply_parse(in, &reply) == SMTP_OK) {
		size_t n = smtp_ehlo_filter(span_take(in, reply.bytes), out);
		/* What is left is still one reply with the same code. */
		if (smtp_reply_parse(span_of(out, n), &again) != SMTP_OK || again.bytes != n ||
			again.code != reply.code)
			abort();
		in = span_skip(in, reply.bytes);
	}
}

/* Whatever comes in: what goes out is canonical, has no other end in it, and reads back the same.
 */
static void message(struct span in)
{
	struct data_decoder d = {0}, back = {0};
	struct data_encoder e = {0};
	size_t n = 0, sent = 0, read = 0;
	uint8_t *text = malloc(in.n + 1), *wire = malloc(2 * in.n + 8),
		*copy = malloc(2 * in.n + 9);

	if (!text || !wire || !copy)
		abort();
	data_decode(&d, in, text, &n);
	if (d.end && d.flaw == DATA_FINE) {
		if (!data_is_canonical(span_of(text, n)))
			abort();
		data_encode(&e, span_of(text, n), wire, 2 * in.n + 5, &sent);
		memcpy(wire + sent, ".\r\n", 3);
		sent += 3;
		if (data_decode(&back, span_of(wire, sent), copy, &read) != sent || !back.end ||
			back.flaw != DATA_FINE || !span_eq(span_of(copy, read), span_of(text, n)))
			abort();
	}
	free(text);
	free(wire);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);

	commands(in);
	replies(in);
	message(in);
	return 0;
}
