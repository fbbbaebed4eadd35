#include "inspect/smtp.h"

#include <stdlib.h>

#include "inspect/line.h"

struct text {
	uint16_t n;
	char p[SMTP_TEXT_BYTES];
};

enum mode { MODE_COMMAND, MODE_DATA_ASKED, MODE_DATA, MODE_BDAT, MODE_TLS_ASKED };

struct smtp {
	struct reader base;
	struct line_buffer line[2]; /* by to_server */
	enum mode mode;
	uint64_t bdat_left;
	bool bdat_last;
	bool begun, has_message, message_done, logged;
	bool reply_due; /* to the end of the message: the transaction ends with it */
	uint32_t tx_id;
	struct text helo, mail_from;
	unsigned rcpts;
	struct text rcpt[SMTP_RCPTS];
	struct unit_seen seen;
	struct mail_parts *mime;
};

static void put_text(struct jsonw *w, const char *key, const struct text *t)
{
	if (t->n)
		jsonw_span(w, key, span_of(t->p, t->n));
}

static void smtp_put(struct jsonw *w, const struct unit *u, bool whole)
{
	const struct smtp *s = u->tx;

	(void)whole;
	jsonw_object(w, "smtp");
	put_text(w, "helo", &s->helo);
	put_text(w, "mail_from", &s->mail_from);
	if (s->rcpts) {
		jsonw_array(w, "rcpt_to");
		for (unsigned i = 0; i < s->rcpts; i++)
			jsonw_span(w, NULL, span_of(s->rcpt[i].p, s->rcpt[i].n));
		jsonw_end(w);
	}
	jsonw_end(w);
	if (!s->has_message)
		return;
	jsonw_object(w, "email");
	mail_parts_put(w, s->mime, s->message_done);
	jsonw_end(w);
}

static struct unit unit_of(struct smtp *s)
{
	struct reader_env *env = s->base.env;
	struct unit u = {.to_server = true,
		.put = smtp_put,
		.tx = s,
		.tx_id = s->tx_id,
		.seen = &s->seen,
		.more = env->more};

	if (s->helo.n)
		u.buffer[BUFFER_SMTP_HELO] = span_of(s->helo.p, s->helo.n);
	if (s->mail_from.n)
		u.buffer[BUFFER_SMTP_MAIL_FROM] = span_of(s->mail_from.p, s->mail_from.n);
	for (unsigned i = 0; i < s->rcpts; i++) {
		struct span rcpt = span_of(s->rcpt[i].p, s->rcpt[i].n);
		if (i == 0)
			u.buffer[BUFFER_SMTP_RCPT_TO] = rcpt;
		else
			env->more[u.more_n++] = (struct buffer_more){BUFFER_SMTP_RCPT_TO, rcpt};
	}
	return u;
}

static void emit(struct smtp *s, const struct unit *u)
{
	s->base.env->fn(s->base.env->ctx, u);
}

static void on_file(void *ctx, struct file *f, bool done)
{
	struct smtp *s = ctx;
	struct unit u = unit_of(s);

	u.file = f;
	if (f->n && f->n != f->told) {
		u.buffer[BUFFER_FILE_DATA] = file_data(f);
		u.buffer[BUFFER_FILE_NAME] = file_name(f);
		emit(s, &u);
		f->told = f->n;
	}
	if (!done || f->size == 0)
		return;
	u = unit_of(s);
	u.file = f;
	u.file_done = u.log_only = true;
	emit(s, &u);
}

/* The transaction is over: its event, and room for the next. */
static void transaction_end(struct smtp *s, bool whole)
{
	if (s->has_message && !s->message_done)
		mail_parts_end(s->mime, whole);
	s->message_done |= whole;
	if (s->begun && !s->logged) {
		struct unit u = unit_of(s);
		u.event = "smtp";
		u.log_only = true;
		emit(s, &u);
	}
	if (s->begun)
		s->tx_id++;
	s->begun = s->has_message = s->message_done = s->logged = s->reply_due = false;
	s->mail_from.n = 0;
	s->rcpts = 0;
	s->seen.n = 0;
}

static void message_begin(struct smtp *s)
{
	if (!s->mime)
		s->mime = malloc(sizeof(*s->mime));
	s->has_message = s->mime != NULL;
	if (s->has_message)
		mail_parts_begin(s->mime, on_file, s, &s->base.env->file_bytes, s->tx_id,
			s->base.env->hash_files);
}

static void message_end(struct smtp *s)
{
	s->mode = MODE_COMMAND;
	if (s->has_message)
		mail_parts_end(s->mime, true);
	s->message_done = true;
	s->reply_due = true;
}

static void text_keep(struct text *t, struct span value)
{
	value = span_take(span_trim(value), SMTP_TEXT_BYTES);
	memcpy(t->p, value.p, value.n);
	t->n = (uint16_t)value.n;
}

/* The path alone: parameters follow it after a blank. */
static struct span path_of(struct span value)
{
	value = span_trim(value);
	ptrdiff_t end = span_chr(value, '>');
	return end < 0 ? value : span_take(value, (size_t)end + 1);
}

static void on_helo(struct smtp *s, struct span arg)
{
	text_keep(&s->helo, arg);
	s->begun = true;
}

static void on_mail(struct smtp *s, struct span arg)
{
	text_keep(&s->mail_from, path_of(arg));
	s->begun = true;
}

static void on_rcpt(struct smtp *s, struct span arg)
{
	if (s->rcpts < SMTP_RCPTS)
		text_keep(&s->rcpt[s->rcpts++], path_of(arg));
}

static void on_data_command(struct smtp *s, struct span arg)
{
	(void)arg;
	s->mode = MODE_DATA_ASKED;
}

/* BDAT length [LAST], RFC 3030. */
static void on_bdat(struct smtp *s, struct span arg)
{
	ptrdiff_t blank = span_chr(span_trim(arg), ' ');
	struct span number = span_trim(arg);

	s->bdat_last = blank >= 0;
	if (blank >= 0)
		number = span_take(number, (size_t)blank);
	if (!span_u64(number, UINT32_MAX, &s->bdat_left))
		return;
	s->begun = true;
	if (!s->has_message)
		message_begin(s);
	s->mode = MODE_BDAT;
	if (s->bdat_left == 0 && s->bdat_last)
		message_end(s);
	else if (s->bdat_left == 0)
		s->mode = MODE_COMMAND;
}

static void on_over(struct smtp *s, struct span arg)
{
	(void)arg;
	transaction_end(s, false);
}

static void on_starttls(struct smtp *s, struct span arg)
{
	(void)arg;
	s->mode = MODE_TLS_ASKED;
}

static void on_command(struct smtp *s, struct span line)
{
	static const struct {
		const char *name;
		void (*fn)(struct smtp *s, struct span arg);
		bool unit;
	} rows[] = {{"HELO ", on_helo, true}, {"EHLO ", on_helo, true},
		{"MAIL FROM:", on_mail, true}, {"RCPT TO:", on_rcpt, true},
		{"DATA", on_data_command, false}, {"BDAT ", on_bdat, false},
		{"RSET", on_over, false}, {"QUIT", on_over, false},
		{"STARTTLS", on_starttls, false}};

	if (s->reply_due)
		transaction_end(s, true);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct span name = span_str(rows[i].name);
		if (!span_casestarts(line, name))
			continue;
		rows[i].fn(s, span_skip(line, name.n));
		if (rows[i].unit) {
			struct unit u = unit_of(s);
			emit(s, &u);
		}
		return;
	}
}

static void on_message_line(struct smtp *s, struct span line)
{
	if (span_eq(line, SPAN_LIT("."))) {
		message_end(s);
		return;
	}
	if (line.n && line.p[0] == '.') /* RFC 5321, section 4.5.2 */
		line = span_skip(line, 1);
	if (s->has_message)
		mail_parts_line(s->mime, line);
}

static void feed_bdat(struct smtp *s, struct span *data)
{
	struct span chunk = span_take(*data, s->bdat_left);
	struct line line;

	*data = span_skip(*data, chunk.n);
	s->bdat_left -= chunk.n;
	while (line_next(&s->line[1], &chunk, &line))
		if (s->has_message)
			mail_parts_line(s->mime, line.text);
	if (s->bdat_left)
		return;
	if (s->bdat_last)
		message_end(s);
	else
		s->mode = MODE_COMMAND;
}

static enum reader_result feed_client(struct smtp *s, struct span data)
{
	struct line line;

	while (data.n) {
		if (s->mode == MODE_BDAT) {
			feed_bdat(s, &data);
			continue;
		}
		if (s->mode == MODE_DATA_ASKED) { /* the reply was not seen: the message comes */
			s->mode = MODE_DATA;
			message_begin(s);
		}
		if (!line_next(&s->line[1], &data, &line))
			break;
		if (s->mode == MODE_DATA)
			on_message_line(s, line.text);
		else
			on_command(s, line.text);
	}
	return READER_OK;
}

/* Only what changes the mode matters of a reply. */
static enum reader_result feed_server(struct smtp *s, struct span data)
{
	struct line line;

	while (line_next(&s->line[0], &data, &line)) {
		uint8_t first = line.text.n ? line.text.p[0] : 0;
		if (s->reply_due) {
			transaction_end(s, true);
		} else if (s->mode == MODE_DATA_ASKED && first == '3') {
			s->mode = MODE_DATA;
			message_begin(s);
		} else if (s->mode == MODE_DATA_ASKED && (first == '4' || first == '5')) {
			s->mode = MODE_COMMAND;
		} else if (s->mode == MODE_TLS_ASKED) {
			s->mode = MODE_COMMAND;
			if (first == '2')
				return READER_DONE;
		}
	}
	return READER_OK;
}

static enum reader_result feed_smtp(struct reader *r, bool to_server, struct span data)
{
	struct smtp *s = (struct smtp *)r;

	return to_server ? feed_client(s, data) : feed_server(s, data);
}

static enum reader_result end_smtp(struct reader *r, bool to_server, bool orderly)
{
	struct smtp *s = (struct smtp *)r;

	if (to_server || !orderly)
		transaction_end(s, false);
	return READER_OK;
}

static void smtp_free(struct reader *r)
{
	struct smtp *s = (struct smtp *)r;

	if (s->mime && s->mime->has_file)
		file_fini(&s->mime->file, &s->base.env->file_bytes);
	free(s->mime);
	line_fini(&s->line[0]);
	line_fini(&s->line[1]);
	free(s);
}

static struct reader *smtp_new(struct reader_env *env)
{
	struct smtp *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->base = (struct reader){&reader_smtp, env};
	return &s->base;
}

const struct reader_ops reader_smtp = {
	.new = smtp_new, .feed = feed_smtp, .end = end_smtp, .free = smtp_free};
