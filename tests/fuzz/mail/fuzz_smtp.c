/* What a client and a server send, byte by byte as they like: commands, replies, EHLO and messages.
 */
#include <stdlib.h>

#include "mail/data.h"
#include "mail/esmtp.h"
#include "mail/outgoing.h"
#include "mail/smtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void commands(struct span in)
{
	struct smtp_command c;
	uint64_t bytes;
	bool last;

	for (enum smtp_parse r; (r = smtp_command_parse(in, &c)) == SMTP_OK || r == SMTP_BAD;) {
		struct span address, parameters;
		if (r == SMTP_OK &&
			smtp_path(c.argument, SPAN_LIT("FROM:"), &address, &parameters)) {
			if (address.p < in.p || address.p + address.n > in.p + c.bytes ||
				parameters.p < in.p || parameters.p + parameters.n > in.p + c.bytes)
				abort();
			esmtp_mail_parameters(parameters, 1000);
			esmtp_rcpt_parameters(parameters);
		}
		if (r == SMTP_OK)
			smtp_chunk(c.argument, &bytes, &last);
		smtp_is_utf8(c.argument);
		in = span_skip(in, c.bytes);
	}
}

static void replies(struct span in)
{
	static uint8_t out[SMTP_REPLY_BYTES];
	struct smtp_reply reply, again;

	while (smtp_reply_parse(in, &reply) == SMTP_OK) {
		struct span text = span_take(in, reply.bytes);
		for (unsigned hide = 0; hide < 16; hide++) {
			size_t n = esmtp_filter(text, hide, out);
			/* What is left is still one reply with the same code, without what is
			 * hidden. */
			if (smtp_reply_parse(span_of(out, n), &again) != SMTP_OK ||
				again.bytes != n || again.code != reply.code ||
				esmtp_offers(span_of(out, n)) & hide)
				abort();
		}
		if (esmtp_greeting(text).n > ESMTP_NAME_BYTES)
			abort();
		in = span_skip(in, reply.bytes);
	}
}

/* What the server leg is given for a text, `step` bytes at a time. */
static size_t send_all(struct span text, size_t step, uint8_t *wire)
{
	static struct findings none;
	struct iovec runs[OUTGOING_RUNS];
	struct outgoing o;
	size_t n = 0;

	if (outgoing_init(&o, &none, text, false) < 0)
		abort();
	while (!outgoing_is_done(&o)) {
		int count = outgoing_runs(&o, runs);
		size_t left = step;

		for (int i = 0; i < count && left > 0; i++) {
			size_t part = runs[i].iov_len < left ? runs[i].iov_len : left;
			memcpy(wire + n, runs[i].iov_base, part);
			n += part;
			left -= part;
		}
		outgoing_advance(&o, runs, count, step - left);
	}
	outgoing_free(&o);
	return n;
}

/* Whatever comes in: what goes out is canonical, has no other end in it, and reads back the same.
 */
static void message(struct span in, struct data_decoder d)
{
	struct data_decoder back = {0};
	size_t n = 0, read = 0;
	bool normalise = d.normalise;
	uint8_t *text = malloc(2 * in.n + 4), *wire = malloc(4 * in.n + 16),
		*copy = malloc(8 * in.n + 40);

	if (!text || !wire || !copy)
		abort();
	data_decode(&d, in, text, &n);
	if (d.raw)
		n += data_finish(&d, text + n);
	if (n > 2 * in.n + 4)
		abort();
	if (d.end && (d.flaw == DATA_FINE || normalise)) {
		if (!data_is_canonical(span_of(text, n)))
			abort();
		size_t sent = send_all(span_of(text, n), in.n % 7 + 1, wire);
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
	for (int kind = 0; kind < 4; kind++)
		message(in, (struct data_decoder){.raw = kind & 1, .normalise = kind & 2});
	return 0;
}
