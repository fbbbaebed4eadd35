/* The message, spooled: checked, then sent on, refused or deferred. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mail/event.h"
#include "mail/lists.h"
#include "mail/policy_tag.h"
#include "mail/quarantine_control.h"
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
		[ACTION_TAG] = &count->tagged,
		[ACTION_QUARANTINE] = &count->quarantined,
		[ACTION_REJECT] = &count->refused,
		[ACTION_DEFER] = &count->deferred,
	};
	struct mail_event event = {
		.envelope = &s->envelope,
		.findings = is_checked(m) ? &m->checks.found : NULL,
		.size_bytes = m->spool.fd >= 0 ? m->spool.bytes : m->received_bytes,
		.text = is_checked(m) ? spool_text(&m->spool) : (struct span){0},
		.decision = &m->decision,
		.action = m->decision.action,
		.why = m->decision.why,
		.reply = reply,
		.ms = (session_now_us(s) - m->start_us) / 1000,
		.client_tls = s->client.tls,
		.server_tls = s->server.tls,
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
	outgoing_free(&s->message->outgoing);
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

void message_refuse(struct session *s, enum action action, const char *why, const char *reply)
{
	struct decision *d = &s->message->decision;

	d->action = action;
	snprintf(d->why, sizeof(d->why), "%s", why);
	message_answer(s, span_str(reply));
}

static void on_checked(void *userdata)
{
	session_pump(userdata);
}

/* The header: all of it in front of the first empty line. */
static void header_measure(struct span text, size_t *ret_bytes, size_t *ret_fields)
{
	size_t at = 0, fields = 0;

	while (at < text.n && text.p[at] != '\r') {
		ptrdiff_t lf = span_chr(span_skip(text, at), '\n');
		fields += text.p[at] != ' ' && text.p[at] != '\t';
		at = lf < 0 ? text.n : at + (size_t)lf + 1;
	}
	*ret_bytes = at;
	*ret_fields = fields;
}

/* A message that no limit of the settings lets pass is refused for good. */
static bool is_over_limits(struct session *s)
{
	const struct settings *settings = &s->shared->settings;
	const struct message *m = s->message;
	size_t bytes, fields;

	header_measure(spool_text(&m->spool), &bytes, &fields);
	if (bytes > settings->max_header_bytes)
		message_refuse(s, ACTION_REJECT, "header larger than max-header-bytes",
			"552 5.3.4 Sekisho: refused, the header is too large\r\n");
	else if (fields > settings->max_header_fields)
		message_refuse(s, ACTION_REJECT, "more fields than max-header-fields",
			"550 5.6.0 Sekisho: refused, too many header fields\r\n");
	else if (m->decoder.line_bytes_max > settings->max_line_bytes)
		message_refuse(s, ACTION_REJECT, "a line longer than max-line-bytes",
			"550 5.6.0 Sekisho: refused, a line is too long\r\n");
	else
		return false;
	return true;
}

void message_complete(struct session *s)
{
	struct message *m = s->message;
	char reply[128];
	struct check_question question = {
		.envelope = &s->envelope,
		.authserv_id = s->shared->settings.authserv_id,
		.spool = &m->spool,
		.no_scan = !s->shared->settings.antivirus,
	};

	m->complete = true;
	if (m->decoder.flaw != DATA_FINE && !m->decoder.normalise) {
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
		message_refuse(s, ACTION_DEFER, "no room left for messages",
			"452 4.3.1 Sekisho: not now, too many messages at once\r\n");
		return;
	}
	if (m->error || (m->error = spool_seal(&m->spool)) < 0) {
		message_refuse(s, ACTION_DEFER, strerror(-m->error),
			"451 4.3.0 Sekisho: not now, the message could not be kept\r\n");
		return;
	}
	if (is_over_limits(s))
		return;
	s->state = SESSION_CHECK;
	m->checks.on_done = on_checked;
	m->checks.deadline_us = session_now_us(s) + CHECK_TIMEOUT_S * 1000000ull;
	checks_start(&m->checks, &question);
}

static void message_not_kept(struct session *s, int error)
{
	message_refuse(s, ACTION_DEFER, strerror(-error),
		"451 4.3.1 Sekisho: not now, the message could not be kept\r\n");
}

/* Into the quarantine: it is on the disk before the client is told. */
static void message_quarantine(struct session *s)
{
	struct decision *d = &s->message->decision;
	char reply[80];
	int r = quarantine_keep(s, &d->quarantine_id);

	if (r < 0) {
		message_not_kept(s, r);
		return;
	}
	snprintf(reply, sizeof(reply), "250 2.6.0 Sekisho: taken, number %llu\r\n",
		(unsigned long long)d->quarantine_id);
	message_answer(s, span_str(reply));
}

/* To the server: the fields of ours in front, what is not to pass left out. */
static void message_forward(struct session *s)
{
	struct message *m = s->message;

	if (outgoing_init(&m->outgoing, &m->checks.found, spool_text(&m->spool), m->chunked) < 0) {
		message_refuse(s, ACTION_DEFER, strerror(ENOMEM),
			"451 4.3.0 Sekisho: not now, no memory\r\n");
	} else if (m->chunked) {
		s->state = SESSION_SEND;
	} else {
		s->state = SESSION_DATA_REPLY;
		session_ask(s, SPAN_LIT("DATA\r\n"));
	}
}

/* The decision's own words to the client; the server never saw the message. */
static void message_turn_away(struct session *s)
{
	char reply[sizeof(s->message->decision.reply)];

	memcpy(reply, s->message->decision.reply, sizeof(reply));
	message_answer(s, span_str(reply));
}

/* What is done about each decision of policy.h. */
static void (*const acts[])(struct session *s) = {
	[ACTION_ACCEPT] = message_forward,
	[ACTION_TAG] = message_forward,
	[ACTION_QUARANTINE] = message_quarantine,
	[ACTION_REJECT] = message_turn_away,
	[ACTION_DEFER] = message_turn_away,
};

bool message_check_step(struct session *s)
{
	struct message *m = s->message;

	if (session_is_interrupted(s))
		return true;
	if (m->checks.pending || leg_in(&s->server).n)
		return false;
	struct policy_subject subject = {.findings = &m->checks.found,
		.envelope = &s->envelope,
		.text = spool_text(&m->spool)};
	lists_look(session_now_us(s));
	policy_decide(&subject, &s->shared->settings, &m->decision);
	int r = policy_tag(&m->checks.found, spool_text(&m->spool),
		m->decision.action == ACTION_TAG ? m->decision.rule : NULL);
	if (r < 0)
		message_not_kept(s, r);
	else
		acts[m->decision.action](s);
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

bool message_data_reply_step(struct session *s)
{
	struct smtp_reply reply;

	if (session_reply(s, &reply) != SMTP_OK)
		return s->state == SESSION_CLOSING;
	if (reply.code == 354) {
		leg_consume(&s->server, reply.bytes);
		s->state = SESSION_SEND;
	} else if (reply.code < 400) {
		session_makes_no_sense(s);
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
		session_makes_no_sense(s);
	}
	return true;
}

bool message_send_step(struct session *s)
{
	struct outgoing *o = &s->message->outgoing;
	struct iovec runs[OUTGOING_RUNS];

	if (send_is_interrupted(s))
		return true;
	if (outgoing_is_done(o)) {
		bool flushed = leg_is_flushed(&s->server);
		if (flushed)
			s->state = SESSION_FINAL;
		return flushed;
	}
	int count = outgoing_runs(o, runs);
	size_t sent = s->server.blocked ? 0 : leg_sendv(&s->server, runs, count);
	outgoing_advance(o, runs, count, sent);
	s->asked_us = session_now_us(s);
	return sent > 0 || s->server.dead;
}

bool message_final_step(struct session *s)
{
	struct smtp_reply reply;

	if (session_reply(s, &reply) != SMTP_OK)
		return s->state == SESSION_CLOSING;
	if (reply.code >= 300 && reply.code < 400) {
		session_makes_no_sense(s);
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
