/* The message from the client into the spool: DATA (RFC 5321) and BDAT (RFC 3030). */
#include <stdio.h>
#include <stdlib.h>

#include "mail/session.h"

static const char no_recipient[] = "503 5.5.1 Sekisho: no recipient was accepted\r\n";

static bool has_transaction(const struct session *s)
{
	return s->envelope.has_mail && s->envelope.rcpt_count > 0;
}

/* False, and the reply is given, when there is no memory for one. */
static bool message_new(struct session *s, bool chunked)
{
	struct message *m = calloc(1, sizeof(*m));

	if (!m)
		return false;
	spool_open(&m->spool, &s->shared->pool, s->shared->settings.max_message_bytes);
	m->start_us = session_now_us(s);
	m->chunked = m->decoder.raw = chunked;
	m->decoder.normalise = s->shared->settings.normalise;
	m->checks.userdata = s;
	s->message = m;
	return true;
}

void intake_data(struct session *s)
{
	if (s->message) {
		session_refuse(s, "503 5.5.1 Sekisho: not after BDAT\r\n");
		return;
	}
	if (!has_transaction(s)) {
		session_refuse(s, no_recipient);
		return;
	}
	/* DATA ends a group of commands (RFC 2920): what is here already would be read as commands
	 * by a server that refuses, as a message by one that accepts. */
	if (leg_in(&s->client).n) {
		session_end(s, "503 5.5.0 Sekisho: bytes after DATA before its reply, closing\r\n");
		return;
	}
	if (!message_new(s, false)) {
		session_refuse(s, "451 4.3.0 Sekisho: no memory for a message, try again\r\n");
		return;
	}
	s->state = SESSION_DATA;
	session_tell(
		s, SPAN_LIT("354 Sekisho: send the message, end it with a line of one dot\r\n"));
}

/* The chunk follows its command whatever the reply will be: it is always read. */
void intake_chunk(struct session *s, struct span argument)
{
	if (!smtp_chunk(argument, &s->chunk_bytes, &s->chunk_last)) {
		/* Nobody can say where the next command begins. */
		session_end(s, "501 5.5.4 Sekisho: BDAT wants a size, closing\r\n");
		return;
	}
	if (s->chunk_bytes / 2 > s->shared->settings.max_message_bytes) {
		session_end(s, "552 5.3.4 Sekisho: refused, the message is too large, closing\r\n");
		return;
	}
	s->chunk_refusal = NULL;
	s->state = SESSION_CHUNK;
	if (!(s->offers & ESMTP_CHUNKING))
		s->chunk_refusal = "503 5.5.1 Sekisho: CHUNKING is not offered\r\n";
	else if (!has_transaction(s))
		s->chunk_refusal = no_recipient;
	else if (!s->message && !message_new(s, true))
		s->chunk_refusal = "451 4.3.0 Sekisho: no memory for a message, try again\r\n";
}

/* A client that sends on and on after its message is already too large. */
static bool is_flooding(const struct message *m)
{
	return m->received_bytes / 2 > m->spool.max_bytes;
}

static void flood_refuse(struct session *s)
{
	message_refuse(s, ACTION_REJECT, "far larger than max-message-bytes",
		"552 5.3.4 Sekisho: refused, the message is too large, closing\r\n");
	session_end(s, NULL);
}

/* Decodes what the client's leg holds, at most max bytes of it; the bytes taken. */
static size_t bytes_take(struct session *s, size_t max)
{
	static uint8_t text[2 * LEG_BUFFER_BYTES + 2]; /* one session at a time is in here */
	struct message *m = s->message;
	size_t n = 0;
	size_t used = data_decode(&m->decoder, span_take(leg_in(&s->client), max), text, &n);

	leg_consume(&s->client, used);
	m->received_bytes += used;
	if (m->error == 0)
		m->error = spool_write(&m->spool, span_of(text, n));
	return used;
}

/* True when there is nothing to be read; the session has ended when nothing will be. */
static bool is_dry(struct session *s)
{
	if (leg_in(&s->client).n)
		return false;
	if (s->client.eof)
		session_end(s, NULL);
	return true;
}

bool intake_data_step(struct session *s)
{
	if (session_is_interrupted(s))
		return true;
	if (is_dry(s))
		return s->state == SESSION_CLOSING;
	bytes_take(s, SIZE_MAX);
	if (s->message->decoder.end)
		message_complete(s);
	else if (is_flooding(s->message))
		flood_refuse(s);
	return true;
}

static void last_line_finish(struct message *m)
{
	uint8_t text[2];
	size_t n = data_finish(&m->decoder, text);

	if (m->error == 0)
		m->error = spool_write(&m->spool, span_of(text, n));
}

static void chunk_done(struct session *s)
{
	struct message *m = s->message;
	const char *refusal = s->chunk_refusal;

	s->state = SESSION_COMMAND;
	s->chunk_refusal = NULL;
	if (refusal) {
		session_refuse(s, refusal);
	} else if (s->chunk_last) {
		last_line_finish(m);
		message_complete(s);
	} else if (m->error || m->spool.full != SPOOL_FITS ||
		   (m->decoder.flaw != DATA_FINE && !m->decoder.normalise)) {
		message_complete(s); /* refused now: what comes after is not wanted */
	} else {
		session_tell(s, SPAN_LIT("250 2.0.0 Sekisho: chunk received\r\n"));
	}
}

bool intake_chunk_step(struct session *s)
{
	if (session_is_interrupted(s))
		return true;
	if (s->chunk_bytes == 0) {
		chunk_done(s);
		return true;
	}
	if (is_dry(s))
		return s->state == SESSION_CLOSING;
	size_t n = leg_in(&s->client).n;
	if (n > s->chunk_bytes)
		n = (size_t)s->chunk_bytes;
	if (s->chunk_refusal)
		leg_consume(&s->client, n);
	else
		bytes_take(s, n);
	s->chunk_bytes -= n;
	if (s->message && is_flooding(s->message))
		flood_refuse(s);
	return true;
}
