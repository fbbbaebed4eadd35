/* The message: taken from the client, checked, then sent on, refused or deferred. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mail/event.h"
#include "mail/session.h"

static bool is_checked(const struct message *m)
{
	return m->checks.runs[0].owner != NULL;
}

/* What became of the message: event, counters, end of the transaction. */
static void message_close(struct session *s, struct span reply)
{
	struct message *m = s->message;
	struct counters *count = &s->shared->count;
	uint64_t *const by_action[] = {
		[ACTION_ACCEPT] = &count->accepted,
		[ACTION_REJECT] = &count->refused,
		[ACTION_DEFER] = &count->deferred,
	};
	struct mail_event event = {
		.envelope = &s->envelope,
		.findings = is_checked(m) ? &m->checks.found : NULL,
		.size_bytes = m->spool.map ? m->spool.bytes : m->received_bytes,
		.action = m->decision.action,
		.why = m->decision.why,
		.reply = reply,
		.ms = (session_now_us(s) - m->start_us) / 1000,
	};

	count->messages++;
	(*by_action[m->decision.action])++;
	event_mail(s->shared->eve, &event);
	message_free(s);
	envelope_reset(&s->envelope);
}

void message_free(struct session *s)
{
	if (!s->message)
		return;
	checks_stop(&s->message->checks);
	spool_close(&s->message->spool);
	free(s->message);
	s->message = NULL;
}

void message_lost(struct session *s)
{
	struct message *m = s->message;

	if (m && m->complete) {
		m->decision = (struct decision){.action = ACTION_DEFER};
		snprintf(m->decision.why, sizeof(m->decision.why),
			"the session ended before the mail server answered");
		message_close(s, (struct span){0});
	} else if (m) {
		s->shared->count.aborted++;
		message_free(s);
	}
}

/* The client has its answer at once; the server forgets the transaction before the next command. */
static void message_answer(struct session *s, struct span reply)
{
	message_close(s, reply);
	s->state = SESSION_RESET;
	session_ask(s, SPAN_LIT("RSET\r\n"));
	session_tell(s, reply);
}

static void message_refuse(
	struct session *s, enum action action, const char *why, const char *reply)
{
	struct decision *d = &s->message->decision;

	d->action = action;
	snprintf(d->why, sizeof(d->why), "%s", why);
	message_answer(s, span_str(reply));
}

void message_begin(struct session *s)
{
	struct message *m;

	if (!s->envelope.has_mail || s->envelope.rcpt_count == 0) {
		session_refuse(s, "503 5.5.1 Sekisho: no recipient was accepted\r\n");
		return;
	}
	/* DATA ends a group of commands (RFC 2920): what is here already would be read as commands
	 * by a server that refuses, as a message by one that accepts. */
	if (leg_in(&s->client).n) {
		session_end(s, "503 5.5.0 Sekisho: bytes after DATA before its reply, closing\r\n");
		return;
	}
	m = calloc(1, sizeof(*m));
	if (!m || spool_open(&m->spool, &s->shared->pool, s->shared->settings.max_message_bytes) <
			  0) {
		free(m);
		session_refuse(s, "451 4.3.0 Sekisho: no memory for a message, try again\r\n");
		return;
	}
	m->start_us = session_now_us(s);
	m->checks.userdata = s;
	s->message = m;
	s->state = SESSION_DATA;
	session_tell(
		s, SPAN_LIT("354 Sekisho: send the message, end it with a line of one dot\r\n"));
}

static void on_checked(void *userdata)
{
	session_pump(userdata);
}

static void message_complete(struct session *s)
{
	struct message *m = s->message;
	char reply[128];
	struct check_question question = {
		.envelope = &s->envelope,
		.authserv_id = s->shared->settings.authserv_id,
		.spool = &m->spool,
	};

	m->complete = true;
	if (m->decoder.flaw != DATA_FINE) {
		snprintf(reply, sizeof(reply),
			"550 5.6.11 Sekisho: refused, the message holds %s\r\n",
			data_flaw_text(m->decoder.flaw));
		message_refuse(s, ACTION_REJECT, data_flaw_text(m->decoder.flaw), reply);
		return;
	}
	if (m->spool.full == SPOOL_MESSAGE_FULL) {
		message_refuse(s, ACTION_REJECT, "larger than max-message-bytes",
			"552 5.3.4 Sekisho: refused, the message is too large\r\n");
		return;
	}
	if (m->spool.full == SPOOL_POOL_FULL) {
		message_refuse(s, ACTION_DEFER, "no memory left for messages",
			"452 4.3.1 Sekisho: not now, too many messages at once\r\n");
		return;
	}
	if (m->error || (m->error = spool_seal(&m->spool)) < 0) {
		message_refuse(s, ACTION_DEFER, strerror(-m->error),
			"451 4.3.0 Sekisho: not now, the message could not be kept\r\n");
		return;
	}
	s->state = SESSION_CHECK;
	m->checks.on_done = on_checked;
	checks_start(&m->checks, s->shared->event, &question);
}

/* A client that sends on and on after its message is already too large. */
static bool is_flooding(const struct message *m)
{
	return m->received_bytes / 2 > m->spool.max_bytes;
}

bool message_data_step(struct session *s)
{
	static uint8_t text[LEG_BUFFER_BYTES + 1]; /* one session at a time is in here */
	struct message *m = s->message;
	struct span in = leg_in(&s->client);
	size_t n = 0;

	if (session_is_interrupted(s))
		return true;
	if (in.n == 0) {
		if (s->client.eof)
			session_end(s, NULL);
		return s->client.eof;
	}
	size_t used = data_decode(&m->decoder, in, text, &n);
	leg_consume(&s->client, used);
	m->received_bytes += used;
	if (m->error == 0)
		m->error = spool_write(&m->spool, span_of(text, n));
	if (m->decoder.end) {
		message_complete(s);
	} else if (is_flooding(m)) {
		message_refuse(s, ACTION_REJECT, "far larger than max-message-bytes",
			"552 5.3.4 Sekisho: refused, the message is too large, closing\r\n");
		session_end(s, NULL);
	}
	return true;
}

bool message_check_step(struct session *s)
{
	struct message *m = s->message;

	if (session_is_interrupted(s))
		return true;
	if (m->checks.pending || leg_in(&s->server).n)
		return false;
	policy_decide(&m->checks.found, &s->shared->settings, &m->decision);
	if (m->decision.action == ACTION_ACCEPT) {
		s->state = SESSION_DATA_REPLY;
		session_ask(s, SPAN_LIT("DATA\r\n"));
	} else {
		char reply[sizeof(m->decision.reply)];
		memcpy(reply, m->decision.reply, sizeof(reply));
		message_answer(s, span_str(reply));
	}
	return true;
}

/* The server has the last word about a message that the policy accepts. */
static void server_decision(struct message *m, unsigned code)
{
	if (code < 400)
		return;
	m->decision.action = code < 500 ? ACTION_DEFER : ACTION_REJECT;
	snprintf(m->decision.why, sizeof(m->decision.why), "%s by the mail server",
		code < 500 ? "deferred" : "refused");
}

/* Hands the server's reply to the client as the answer to its message. */
static void message_hand_back(struct session *s, const struct smtp_reply *reply)
{
	struct span text = span_take(leg_in(&s->server), reply->bytes);

	server_decision(s->message, reply->code);
	message_close(s, text);
	session_tell(s, text);
	leg_consume(&s->server, reply->bytes);
}

static void makes_no_sense(struct session *s)
{
	session_end(s, "421 4.5.0 Sekisho: the mail server's reply makes no sense\r\n");
}

bool message_data_reply_step(struct session *s)
{
	struct smtp_reply reply;

	if (session_reply(s, &reply) != SMTP_OK)
		return s->state == SESSION_CLOSING;
	if (reply.code == 354) {
		leg_consume(&s->server, reply.bytes);
		s->state = SESSION_SEND;
	} else if (reply.code < 400) {
		makes_no_sense(s);
	} else if (reply.code == 421) {
		message_hand_back(s, &reply);
		session_end(s, NULL);
	} else {
		message_hand_back(s, &reply);
		if (s->state == SESSION_DATA_REPLY) {
			s->state = SESSION_RESET;
			session_ask(s, SPAN_LIT("RSET\r\n"));
		}
	}
	return true;
}

/* The next run of bytes to be sent: our header, then the message between the ranges left out. */
static struct span next_piece(struct message *m, size_t **ret_sent)
{
	const struct findings *f = &m->checks.found;
	struct span header = span_skip(span_str(f->header), m->header_sent);
	struct span text = spool_text(&m->spool);

	if (header.n) {
		*ret_sent = &m->header_sent;
		return header;
	}
	while (m->removed < f->remove_count && m->text_sent == f->remove[m->removed].offset)
		m->text_sent += f->remove[m->removed++].bytes;
	size_t end = m->removed < f->remove_count ? f->remove[m->removed].offset : text.n;
	*ret_sent = &m->text_sent;
	return span_skip(span_take(text, end), m->text_sent);
}

/* A reply before the end of the message: a refusal is handed back, anything else is a lie. */
static bool send_is_interrupted(struct session *s)
{
	struct smtp_reply reply;

	if (leg_in(&s->server).n == 0 && !s->server.eof)
		return false;
	enum smtp_parse r = session_reply(s, &reply);
	if (r == SMTP_MORE)
		return false;
	if (r == SMTP_OK && reply.code >= 400) {
		message_hand_back(s, &reply);
		session_end(s, NULL);
	} else if (r == SMTP_OK) {
		makes_no_sense(s);
	}
	return true;
}

bool message_send_step(struct session *s)
{
	struct message *m = s->message;
	size_t cap, moved = 0;

	if (send_is_interrupted(s))
		return true;
	if (m->sent) {
		bool flushed = leg_is_flushed(&s->server);
		if (flushed)
			s->state = SESSION_FINAL;
		return flushed;
	}
	uint8_t *out = leg_space(&s->server, &cap);
	for (;;) {
		size_t n = 0, *sent;
		struct span piece = next_piece(m, &sent);

		if (piece.n == 0)
			break;
		size_t taken = data_encode(&m->encoder, piece, out + moved, cap - moved, &n);
		if (taken == 0) { /* the leg is full */
			leg_filled(&s->server, moved);
			return moved > 0;
		}
		*sent += taken;
		moved += n;
	}
	leg_filled(&s->server, moved);
	m->sent = leg_send(&s->server, SPAN_LIT(".\r\n"));
	return moved > 0 || m->sent;
}

bool message_final_step(struct session *s)
{
	struct smtp_reply reply;

	if (session_reply(s, &reply) != SMTP_OK)
		return s->state == SESSION_CLOSING;
	if (reply.code >= 300 && reply.code < 400) {
		makes_no_sense(s);
		return true;
	}
	s->state = SESSION_COMMAND;
	message_hand_back(s, &reply);
	if (reply.code == 421)
		session_end(s, NULL);
	return true;
}

bool message_reset_step(struct session *s)
{
	struct smtp_reply reply;

	if (session_reply(s, &reply) != SMTP_OK)
		return s->state == SESSION_CLOSING;
	leg_consume(&s->server, reply.bytes);
	if (reply.code < 300)
		s->state = SESSION_COMMAND;
	else
		session_end(s, "421 4.3.0 Sekisho: the mail server does not go on, closing\r\n");
	return true;
}
