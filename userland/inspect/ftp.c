/*
 * ftp: the control connection of FTP (RFC 959): commands and their replies.
 *
 * A command is a unit; with its final reply (first digit 2 to 5) it is logged. A new command ends
 * the one before. The data connection is not followed.
 *
 * Limits: FTP_LINE_BYTES of a command or reply are logged; a longer one is an event.
 */
#include <stdlib.h>

#include "inspect/line.h"
#include "inspect/reader.h"

#define FTP_LINE_BYTES 4096
#define FTP_REPLIES 8
#define FTP_REPLY_BYTES 1024

struct reply {
	char code[4];
	uint16_t n;
	uint8_t text[FTP_REPLY_BYTES];
};

struct ftp {
	struct reader base;
	struct line_buffer line[2]; /* by to_server */
	bool has_command, command_cut, reply_cut, logged;
	uint16_t command_n, data_n;
	uint8_t command[16];
	uint8_t data[FTP_LINE_BYTES];
	uint32_t tx_id;
	unsigned replies;
	struct reply reply[FTP_REPLIES];
};

static void put_replies(struct jsonw *w, const struct ftp *f)
{
	jsonw_array(w, "completion_code");
	for (unsigned i = 0; i < f->replies; i++)
		jsonw_str(w, NULL, f->reply[i].code);
	jsonw_end(w);
	jsonw_array(w, "reply");
	for (unsigned i = 0; i < f->replies; i++)
		jsonw_span(w, NULL, span_of(f->reply[i].text, f->reply[i].n));
	jsonw_end(w);
}

static void ftp_put(struct jsonw *w, const struct unit *u, bool whole)
{
	const struct ftp *f = u->tx;

	(void)whole;
	jsonw_object(w, "ftp");
	if (f->has_command)
		jsonw_span(w, "command", span_of(f->command, f->command_n));
	if (f->data_n)
		jsonw_span(w, "command_data", span_of(f->data, f->data_n));
	jsonw_bool(w, "command_truncated", f->command_cut);
	if (f->replies)
		put_replies(w, f);
	jsonw_str(w, "reply_received", f->replies ? "yes" : "no");
	jsonw_bool(w, "reply_truncated", f->reply_cut);
	jsonw_end(w);
}

static struct unit unit_of(struct ftp *f, bool to_server)
{
	return (struct unit){.to_server = to_server, .put = ftp_put, .tx = f, .tx_id = f->tx_id};
}

static void emit_log(struct ftp *f)
{
	struct unit u = unit_of(f, true);

	if (f->logged || (!f->has_command && !f->replies))
		return;
	u.event = "ftp";
	u.log_only = true;
	f->logged = true;
	f->base.env->fn(f->base.env->ctx, &u);
}

static void transaction_begin(struct ftp *f)
{
	emit_log(f);
	if (f->has_command || f->replies)
		f->tx_id++;
	f->logged = f->has_command = f->command_cut = f->reply_cut = false;
	f->replies = 0;
	f->command_n = f->data_n = 0;
}

static void on_command(struct ftp *f, const struct line *line)
{
	ptrdiff_t blank = span_chr(line->text, ' ');
	struct span word = blank < 0 ? line->text : span_take(line->text, (size_t)blank);
	struct span data = blank < 0 ? (struct span){} : span_skip(line->text, (size_t)blank + 1);

	transaction_begin(f);
	struct unit u = unit_of(f, true);
	f->command_cut = line->cut || line->text.n > FTP_LINE_BYTES;
	if (f->command_cut)
		event_raise(&u.events, EVENT_FTP_REQUEST_COMMAND_TOO_LONG);
	data = span_take(
		data, FTP_LINE_BYTES - word.n < FTP_LINE_BYTES ? FTP_LINE_BYTES - word.n : 0);
	f->command_n = (uint16_t)(word.n < sizeof(f->command) ? word.n : sizeof(f->command));
	memcpy(f->command, word.p, f->command_n);
	f->data_n = (uint16_t)data.n;
	if (data.n)
		memcpy(f->data, data.p, data.n);
	f->has_command = true;
	u.buffer[BUFFER_FTP_COMMAND] = word;
	u.buffer[BUFFER_FTP_COMMAND_DATA] = span_of(f->data, f->data_n);
	f->base.env->fn(f->base.env->ctx, &u);
}

static bool is_code(struct span text)
{
	return text.n >= 3 && text.p[0] >= '1' && text.p[0] <= '5' && text.p[1] >= '0' &&
	       text.p[1] <= '9' && text.p[2] >= '0' && text.p[2] <= '9';
}

static void on_reply(struct ftp *f, const struct line *line)
{
	struct span text = line->text;
	bool coded = is_code(text), last = coded && (text.n == 3 || text.p[3] != '-');
	struct unit u = unit_of(f, false);

	if (line->cut || text.n > FTP_LINE_BYTES) {
		f->reply_cut = true;
		event_raise(&u.events, EVENT_FTP_RESPONSE_COMMAND_TOO_LONG);
	}
	if (f->replies < FTP_REPLIES) {
		struct reply *r = &f->reply[f->replies++];
		struct span rest = span_take(span_skip(text, coded ? 4 : 0), FTP_REPLY_BYTES);
		if (coded)
			memcpy(r->code, text.p, 3);
		r->n = (uint16_t)rest.n;
		if (rest.n)
			memcpy(r->text, rest.p, rest.n);
	}
	f->base.env->fn(f->base.env->ctx, &u);
	if (last && text.p[0] != '1')
		emit_log(f);
}

static enum reader_result feed_ftp(struct reader *r, bool to_server, struct span data)
{
	struct ftp *f = (struct ftp *)r;
	struct line line;

	while (line_next(&f->line[to_server], &data, &line))
		(to_server ? on_command : on_reply)(f, &line);
	return READER_OK;
}

static enum reader_result end_ftp(struct reader *r, bool to_server, bool orderly)
{
	struct ftp *f = (struct ftp *)r;

	(void)to_server;
	if (!orderly)
		emit_log(f);
	return READER_OK;
}

static void ftp_free(struct reader *r)
{
	struct ftp *f = (struct ftp *)r;

	line_fini(&f->line[0]);
	line_fini(&f->line[1]);
	free(f);
}

static struct reader *ftp_new(struct reader_env *env)
{
	struct ftp *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->base = (struct reader){&reader_ftp, env};
	return &f->base;
}

const struct reader_ops reader_ftp = {
	.new = ftp_new, .feed = feed_ftp, .end = end_ftp, .free = ftp_free};
