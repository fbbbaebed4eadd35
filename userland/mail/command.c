/* The lockstep: commands of the client to the server, its replies back in the same order. */
#include <stdlib.h>

#include "mail/session.h"

static const char *hello_check(struct session *s, struct span argument)
{
	(void)s;
	if (argument.n == 0)
		return "501 5.5.4 Sekisho: a name is missing\r\n";
	if (argument.n > ENVELOPE_HELO_BYTES || !smtp_is_utf8(argument))
		return "501 5.5.4 Sekisho: this name is too long or not UTF-8\r\n";
	return NULL;
}

static const char *address_check(
	struct span argument, struct span prefix, struct span *ret, struct span *ret_parameters)
{
	if (!smtp_path(argument, prefix, ret, ret_parameters))
		return "501 5.5.4 Sekisho: there is no address to be read here\r\n";
	if (ret->n > ENVELOPE_ADDRESS_BYTES)
		return "501 5.1.3 Sekisho: this address is too long\r\n";
	if (!smtp_is_utf8(*ret))
		return "501 5.1.3 Sekisho: this address is not UTF-8\r\n";
	return NULL;
}

static const char *mail_check(struct session *s, struct span argument)
{
	struct span address, parameters;
	const char *refusal = address_check(argument, SPAN_LIT("FROM:"), &address, &parameters);

	if (!refusal && s->must_hello)
		refusal = "503 5.5.1 Sekisho: say EHLO again after STARTTLS\r\n";
	if (!refusal && s->message)
		refusal = "503 5.5.1 Sekisho: a message is under way\r\n";
	if (!refusal)
		refusal = esmtp_mail_parameters(parameters, s->shared->settings.max_message_bytes);
	return refusal ? refusal : hello_check_required(s);
}

/* Those the server has taken, and those it may still take. */
static unsigned recipients(const struct session *s)
{
	unsigned n = s->envelope.rcpt_count;

	for (unsigned i = 0; i < s->queue.count; i++)
		n += s->queue.items[(s->queue.head + i) % SESSION_PIPELINE_MAX].verb == SMTP_RCPT;
	return n;
}

static const char *rcpt_check(struct session *s, struct span argument)
{
	struct span address, parameters;
	const char *refusal = address_check(argument, SPAN_LIT("TO:"), &address, &parameters);

	if (refusal)
		return refusal;
	if (s->message)
		return "503 5.5.1 Sekisho: a message is under way\r\n";
	if (recipients(s) >= s->shared->settings.max_recipients)
		return "452 4.5.3 Sekisho: too many recipients for one message\r\n";
	refusal = esmtp_rcpt_parameters(parameters);
	return refusal ? refusal : hello_check_required_domain(s, address);
}

static const char *auth_check(struct session *s, struct span argument)
{
	(void)argument;
	return s->envelope.has_mail ? "503 5.5.1 Sekisho: not within a transaction\r\n" : NULL;
}

static const char *unknown_check(struct session *s, struct span argument)
{
	(void)s;
	(void)argument;
	return "502 5.5.1 Sekisho: this command does not pass\r\n";
}

static void auth_done(struct session *s, struct span argument)
{
	(void)argument;
	s->authenticated = true;
}

static void hello_done(struct session *s, struct span line)
{
	struct span argument = span_trim(span_skip(line, 4));
	size_t n = 0;

	while (n < argument.n && argument.p[n] != ' ' && argument.p[n] != '\t')
		n++;
	message_free(s);
	envelope_reset(&s->envelope);
	envelope_helo(&s->envelope, span_take(argument, n));
	s->must_hello = false;
}

static void helo_done(struct session *s, struct span line)
{
	hello_done(s, line);
	s->offers = 0; /* RFC 5321, section 4.1.1.1: no extensions */
}

static void mail_done(struct session *s, struct span argument)
{
	struct span address, parameters;

	if (smtp_path(argument, SPAN_LIT("FROM:"), &address, &parameters))
		envelope_mail(&s->envelope, address);
}

static void rcpt_done(struct session *s, struct span argument)
{
	struct span address, parameters;

	if (smtp_path(argument, SPAN_LIT("TO:"), &address, &parameters) &&
		!envelope_rcpt(&s->envelope, address))
		session_end(s, "421 4.3.0 Sekisho: out of memory, closing\r\n");
}

static void rset_done(struct session *s, struct span argument)
{
	(void)argument;
	message_free(s); /* BDAT: its chunks so far */
	envelope_reset(&s->envelope);
}

static void quit_done(struct session *s, struct span argument)
{
	(void)argument;
	session_end(s, NULL);
}

/*
 * What becomes of each command. check: a reply when it is refused here. done: after the server's
 * 2xx. is_alone: it waits for the replies to those before it, and what follows waits for its own
 * (RFC 2920, section 3.1). HELP, VRFY, EXPN, ETRN and NOOP pass as they are: what they may tell
 * is the server's to decide. TURN, XCLIENT, XFORWARD, BURL and what nobody knows do not pass.
 */
static const struct {
	const char *(*check)(struct session *s, struct span argument);
	void (*done)(struct session *s, struct span text);
	bool is_alone;
} verbs[SMTP_VERBS] = {
	[SMTP_UNKNOWN] = {unknown_check, NULL, false},
	[SMTP_AUTH] = {auth_check, auth_done, true},
	[SMTP_BDAT] = {NULL, NULL, true}, /* intake.c */
	[SMTP_DATA] = {NULL, NULL, true}, /* intake.c */
	[SMTP_EHLO] = {hello_check, hello_done, true},
	[SMTP_ETRN] = {NULL, NULL, true},
	[SMTP_EXPN] = {NULL, NULL, true},
	[SMTP_HELO] = {hello_check, helo_done, true},
	[SMTP_HELP] = {NULL, NULL, true},
	[SMTP_MAIL] = {mail_check, mail_done, false},
	[SMTP_NOOP] = {NULL, NULL, true},
	[SMTP_QUIT] = {NULL, quit_done, true},
	[SMTP_RCPT] = {rcpt_check, rcpt_done, false},
	[SMTP_RSET] = {NULL, rset_done, true},
	[SMTP_STARTTLS] = {NULL, NULL, true}, /* hello.c */
	[SMTP_VRFY] = {NULL, NULL, true},
};

bool queue_put(struct session *s, enum smtp_verb verb, const char *own, struct span text)
{
	struct queue *q = &s->queue;
	char *copy = text.n ? span_dup(text) : NULL;

	if (text.n && !copy) {
		session_end(s, "421 4.3.0 Sekisho: out of memory, closing\r\n");
		return false;
	}
	q->items[(q->head + q->count++) % SESSION_PIPELINE_MAX] =
		(struct queued){.verb = verb, .own = own, .text = copy};
	return true;
}

struct queued *queue_head(struct session *s)
{
	return s->queue.count ? &s->queue.items[s->queue.head] : NULL;
}

void queue_pop(struct session *s)
{
	struct queue *q = &s->queue;

	free(q->items[q->head].text);
	q->items[q->head] = (struct queued){0};
	q->head = (q->head + 1) % SESSION_PIPELINE_MAX;
	q->count--;
}

void queue_clear(struct session *s)
{
	while (s->queue.count)
		queue_pop(s);
}

/* Sends the command at the front of the client's bytes to the server and waits for its reply. */
static void pass_on(struct session *s, const struct smtp_command *command)
{
	bool hello = command->verb == SMTP_EHLO || command->verb == SMTP_HELO;
	struct span line = span_take(leg_in(&s->client), command->bytes);

	if (!queue_put(s, command->verb, NULL, hello ? line : command->argument))
		return;
	session_ask(s, line);
	leg_consume(&s->client, line.n);
}

/* The commands that are answered here, by what they begin. */
static bool run_here(struct session *s, const struct smtp_command *command)
{
	char argument[32] = "";

	switch (command->verb) {
	case SMTP_STARTTLS:
		hello_starttls(s, command);
		return true;
	case SMTP_DATA:
		leg_consume(&s->client, command->bytes);
		intake_data(s);
		return true;
	case SMTP_BDAT:
		memcpy(argument, command->argument.p,
			command->argument.n < sizeof(argument) ? command->argument.n : 0);
		leg_consume(&s->client, command->bytes);
		intake_chunk(s, span_str(argument));
		return true;
	default:
		return false;
	}
}

static void command_run(struct session *s, const struct smtp_command *command)
{
	const char *refusal = verbs[command->verb].check
				      ? verbs[command->verb].check(s, command->argument)
				      : NULL;

	if (refusal) {
		leg_consume(&s->client, command->bytes);
		session_refuse(s, refusal);
	} else if (!run_here(s, command)) {
		pass_on(s, command);
	}
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

/* While replies are to come, a command goes forth only where both sides pipeline. */
static bool may_go(const struct session *s, enum smtp_verb verb)
{
	const struct queue *q = &s->queue;

	if (q->count == 0)
		return true;
	return q->count < SESSION_PIPELINE_MAX && s->offers & ESMTP_PIPELINING &&
	       !verbs[verb].is_alone;
}

static bool client_step(struct session *s)
{
	struct smtp_command command;

	if (s->queue.count == SESSION_PIPELINE_MAX ||
		(s->queue.count && verbs[queue_head(s)->verb].is_alone))
		return false;
	if (s->skipping)
		return line_skip(s);
	switch (smtp_command_parse(leg_in(&s->client), &command)) {
	case SMTP_MORE:
		if (!s->client.eof || s->queue.count)
			return false;
		session_end(s, NULL);
		return true;
	case SMTP_TOOLONG:
		return line_skip(s);
	case SMTP_BAD:
		leg_consume(&s->client, command.bytes);
		session_refuse(
			s, "500 5.5.2 Sekisho: a command is one line of text, ended by CR LF\r\n");
		return true;
	case SMTP_OK:
		if (!may_go(s, command.verb))
			return false;
		command_run(s, &command);
	}
	return true;
}

/* The reply is at the front of the server's leg. */
static void reply_take(struct session *s, const struct smtp_reply *reply)
{
	struct queued head = *queue_head(s);
	bool more = head.verb == SMTP_AUTH && reply->code == 334;

	/* Go-ahead for something nobody asked for: the client would send what we take for commands.
	 */
	if (reply->code >= 300 && reply->code < 400 && !more) {
		session_makes_no_sense(s);
		return;
	}
	if (head.verb == SMTP_EHLO && reply->code == 503 && hello_is_second(s)) {
		session_redial(s);
		return;
	}
	if (head.verb == SMTP_EHLO && reply->code < 300) {
		hello_reply(s, reply);
		if (s->state != SESSION_COMMAND)
			return;
	} else {
		session_tell(s, span_take(leg_in(&s->server), reply->bytes));
		leg_consume(&s->server, reply->bytes);
	}
	if (s->state == SESSION_CLOSING)
		return;
	if (more)
		s->state = SESSION_AUTH;
	else if (reply->code == 421)
		session_end(s, NULL);
	else if (head.verb == SMTP_STARTTLS && reply->code == 220)
		hello_tunnel(s);
	else if (reply->code < 300 && verbs[head.verb].done)
		verbs[head.verb].done(s, span_str(head.text));
	if (!more && s->state != SESSION_CLOSING)
		queue_pop(s);
}

/* The reply to the oldest command, ours or the server's. */
static bool reply_step(struct session *s)
{
	struct smtp_reply reply;
	const char *own = queue_head(s)->own;

	if (leg_room(&s->client) < SMTP_REPLY_BYTES)
		return false;
	if (own) {
		queue_pop(s);
		session_tell(s, span_str(own));
		return true;
	}
	if (leg_in(&s->server).n == 0 && !s->server.eof)
		return false;
	if (session_reply(s, &reply) != SMTP_OK)
		return s->state == SESSION_CLOSING;
	reply_take(s, &reply);
	return true;
}

bool command_step(struct session *s)
{
	if (s->queue.count) {
		if (reply_step(s))
			return true;
	} else if (session_is_interrupted(s)) {
		return true;
	} else if (s->shared->draining && !s->envelope.has_mail) {
		session_end(s, "421 4.3.2 Sekisho: restarting, try again\r\n");
		return true;
	}
	/* A client that does not read its replies is not read either. */
	if (!leg_is_flushed(&s->client) || (s->queue.count == 0 && leg_in(&s->server).n))
		return false;
	return client_step(s);
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
		s->state = SESSION_COMMAND;
		session_ask(s, span_take(leg_in(&s->client), bytes));
		leg_consume(&s->client, bytes);
		return true;
	default:
		session_end(s, "421 4.5.0 Sekisho: this is no line of an AUTH exchange\r\n");
		return true;
	}
}
