/* The lockstep: one command of the client to the server, its reply back, then the next. */
#include "mail/session.h"

/* Sends the command at the front of the client's bytes to the server and waits for its reply. */
static void pass_on(struct session *s, const struct smtp_command *command)
{
	struct span line = span_take(leg_in(&s->client), command->bytes);

	memcpy(s->pending, line.p, line.n);
	s->argument = span_of(s->pending + (command->argument.p - line.p), command->argument.n);
	s->verb = command->verb;
	s->state = SESSION_REPLY;
	session_ask(s, line);
	leg_consume(&s->client, line.n);
}

static const char *hello_check(struct session *s, struct span argument)
{
	(void)s;
	if (argument.n == 0)
		return "501 5.5.4 Sekisho: a name is missing\r\n";
	if (argument.n > ENVELOPE_HELO_BYTES || !smtp_is_utf8(argument))
		return "501 5.5.4 Sekisho: this name is too long or not UTF-8\r\n";
	return NULL;
}

static const char *address_check(struct span argument, struct span prefix)
{
	struct span address;

	if (!smtp_path(argument, prefix, &address))
		return "501 5.5.4 Sekisho: there is no address to be read here\r\n";
	if (address.n > ENVELOPE_ADDRESS_BYTES)
		return "501 5.1.3 Sekisho: this address is too long\r\n";
	if (!smtp_is_utf8(address))
		return "501 5.1.3 Sekisho: this address is not UTF-8\r\n";
	return NULL;
}

static const char *mail_check(struct session *s, struct span argument)
{
	(void)s;
	return address_check(argument, SPAN_LIT("FROM:"));
}

static const char *rcpt_check(struct session *s, struct span argument)
{
	if (s->envelope.rcpt_count >= ENVELOPE_RCPT_MAX)
		return "452 4.5.3 Sekisho: too many recipients for one message\r\n";
	return address_check(argument, SPAN_LIT("TO:"));
}

static const char *unknown_check(struct session *s, struct span argument)
{
	(void)s;
	(void)argument;
	return "502 5.5.1 Sekisho: this command does not pass\r\n";
}

static void hello_done(struct session *s, struct span argument)
{
	size_t n = 0;

	while (n < argument.n && argument.p[n] != ' ' && argument.p[n] != '\t')
		n++;
	envelope_reset(&s->envelope);
	envelope_helo(&s->envelope, span_take(argument, n));
}

static void mail_done(struct session *s, struct span argument)
{
	struct span address;

	if (smtp_path(argument, SPAN_LIT("FROM:"), &address))
		envelope_mail(&s->envelope, address);
}

static void rcpt_done(struct session *s, struct span argument)
{
	struct span address;

	if (smtp_path(argument, SPAN_LIT("TO:"), &address) && !envelope_rcpt(&s->envelope, address))
		session_end(s, "421 4.3.0 Sekisho: out of memory, closing\r\n");
}

static void rset_done(struct session *s, struct span argument)
{
	(void)argument;
	envelope_reset(&s->envelope);
}

static void quit_done(struct session *s, struct span argument)
{
	(void)argument;
	session_end(s, NULL);
}

/* check: a reply when the command is refused here. done: after the server's 2xx. */
static const struct {
	const char *(*check)(struct session *s, struct span argument);
	void (*done)(struct session *s, struct span argument);
} verbs[] = {
	[SMTP_UNKNOWN] = {unknown_check, NULL},
	[SMTP_AUTH] = {NULL, NULL},
	[SMTP_DATA] = {NULL, NULL}, /* transfer.c */
	[SMTP_EHLO] = {hello_check, hello_done},
	[SMTP_HELO] = {hello_check, hello_done},
	[SMTP_HELP] = {NULL, NULL},
	[SMTP_MAIL] = {mail_check, mail_done},
	[SMTP_NOOP] = {NULL, NULL},
	[SMTP_QUIT] = {NULL, quit_done},
	[SMTP_RCPT] = {rcpt_check, rcpt_done},
	[SMTP_RSET] = {NULL, rset_done},
	[SMTP_VRFY] = {NULL, NULL},
};

static void command_run(struct session *s, const struct smtp_command *command)
{
	const char *refusal = verbs[command->verb].check
				      ? verbs[command->verb].check(s, command->argument)
				      : NULL;

	if (!refusal && command->verb != SMTP_DATA) {
		pass_on(s, command);
		return;
	}
	leg_consume(&s->client, command->bytes);
	if (refusal)
		session_refuse(s, refusal);
	else
		message_begin(s);
}

/* Drops bytes up to and with the next LF; the refusal comes when it is there. */
static bool line_skip(struct session *s)
{
	struct span in = leg_in(&s->client);
	ptrdiff_t lf = span_chr(in, '\n');

	s->skipping = lf < 0;
	leg_consume(&s->client, lf < 0 ? in.n : (size_t)lf + 1);
	if (lf >= 0)
		session_refuse(s, "500 5.5.2 Sekisho: this line is too long\r\n");
	else if (s->client.eof)
		session_end(s, NULL);
	return in.n > 0 || s->client.eof;
}

bool command_step(struct session *s)
{
	struct smtp_command command;

	/* A client that does not read its replies is not read either. */
	if (!leg_is_flushed(&s->client))
		return false;
	if (session_is_interrupted(s))
		return true;
	if (leg_in(&s->server).n)
		return false;
	if (s->skipping)
		return line_skip(s);
	switch (smtp_command_parse(leg_in(&s->client), &command)) {
	case SMTP_MORE:
		if (s->client.eof)
			session_end(s, NULL);
		return s->client.eof;
	case SMTP_TOOLONG:
		return line_skip(s);
	case SMTP_BAD:
		leg_consume(&s->client, command.bytes);
		session_refuse(
			s, "500 5.5.2 Sekisho: a command is one line of text, ended by CR LF\r\n");
		return true;
	case SMTP_OK:
		command_run(s, &command);
	}
	return true;
}

static void reply_tell(struct session *s, struct span reply, unsigned code)
{
	static uint8_t filtered[SMTP_REPLY_BYTES];

	if (s->verb == SMTP_EHLO && code < 300)
		reply = span_of(filtered, smtp_ehlo_filter(reply, filtered));
	session_tell(s, reply);
}

bool command_reply_step(struct session *s)
{
	struct smtp_reply reply;

	if (session_reply(s, &reply) != SMTP_OK)
		return s->state == SESSION_CLOSING;
	bool more = s->verb == SMTP_AUTH && reply.code == 334;
	/* Go-ahead for something nobody asked for: the client would send what we take for commands.
	 */
	if (reply.code >= 300 && reply.code < 400 && !more) {
		session_end(s, "421 4.5.0 Sekisho: the mail server's reply makes no sense\r\n");
		return true;
	}
	s->state = more ? SESSION_AUTH : SESSION_COMMAND;
	reply_tell(s, span_take(leg_in(&s->server), reply.bytes), reply.code);
	leg_consume(&s->server, reply.bytes);
	if (reply.code == 421)
		session_end(s, NULL);
	else if (reply.code < 300 && verbs[s->verb].done)
		verbs[s->verb].done(s, s->argument);
	return true;
}

/* One line between AUTH's 334 and its end (RFC 4954); only its end is looked at. */
bool command_auth_step(struct session *s)
{
	size_t bytes = 0;

	if (session_is_interrupted(s))
		return true;
	switch (smtp_line(leg_in(&s->client), SMTP_AUTH_BYTES, &bytes)) {
	case SMTP_MORE:
		if (s->client.eof)
			session_end(s, NULL);
		return s->client.eof;
	case SMTP_OK:
		s->state = SESSION_REPLY;
		session_ask(s, span_take(leg_in(&s->client), bytes));
		leg_consume(&s->client, bytes);
		return true;
	default:
		session_end(s, "421 4.5.0 Sekisho: this is no line of an AUTH exchange\r\n");
		return true;
	}
}
