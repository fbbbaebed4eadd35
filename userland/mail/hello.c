/*
 * What a session is at its beginning: banner, EHLO, and TLS on either leg.
 *
 * A server that offers STARTTLS is spoken to under TLS before its EHLO list is told; the client
 * never sees that. Its own STARTTLS is answered here, when there is a certificate of the server's.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mail/event.h"
#include "mail/session.h"

static const struct tls_host *certificate_of(const struct session *s)
{
	const char *name = settings_certificate(&s->shared->settings, s->envelope.server.ip);

	if (!name)
		name = s->greeting;
	return name ? tls_find(&s->shared->tls, name) : NULL;
}

/* The client may begin TLS with the server itself, and nobody here reads it. */
static bool is_passed_through(const struct session *s)
{
	return s->shared->settings.tls.pass_through && !s->client.tls && !s->server.tls &&
	       !certificate_of(s);
}

static enum onward_tls onward(const struct session *s)
{
	return settings_onward(&s->shared->settings, s->envelope.server.ip);
}

static bool wants_tls(const struct session *s)
{
	return s->offers & ESMTP_STARTTLS && !s->server.tls && !s->no_tls &&
	       onward(s) != ONWARD_NONE && !is_passed_through(s);
}

const char *hello_check_required(struct session *s)
{
	if (s->server.tls || onward(s) != ONWARD_REQUIRED)
		return NULL;
	return "451 4.7.10 Sekisho: this server is to be reached with TLS only, which it does not "
	       "offer\r\n";
}

const char *hello_check_required_domain(struct session *s, struct span address)
{
	char domain[ENVELOPE_ADDRESS_BYTES + 1] = "";

	if (s->server.tls || s->shared->settings.tls.destination_count == 0)
		return NULL;
	for (size_t at = address.n; at > 0 && !domain[0]; at--)
		if (address.p[at - 1] == '@')
			memcpy(domain, address.p + at, address.n - at);
	if (settings_onward_domain(&s->shared->settings, domain) != ONWARD_REQUIRED)
		return NULL;
	return "451 4.7.10 Sekisho: mail to this domain goes with TLS only, which the server does "
	       "not offer\r\n";
}

static void greeting_keep(struct session *s, struct span reply)
{
	struct span name = esmtp_greeting(reply);

	if (name.n == 0)
		return;
	free(s->greeting);
	s->greeting = span_dup(name);
}

bool hello_banner_step(struct session *s)
{
	struct smtp_reply reply;

	if (session_reply(s, &reply) != SMTP_OK)
		return s->state == SESSION_CLOSING;
	struct span text = span_take(leg_in(&s->server), reply.bytes);
	if (reply.code >= 300 && reply.code < 400) {
		session_makes_no_sense(s);
		return true;
	}
	greeting_keep(s, text);
	s->state = SESSION_COMMAND;
	if (s->redialled && reply.code < 300) {
		s->redialled = false;
		leg_consume(&s->server, reply.bytes);
		session_ask(s, span_str(queue_head(s)->text));
		return true;
	}
	session_tell(s, text);
	leg_consume(&s->server, reply.bytes);
	if (reply.code == 421 || s->redialled)
		session_end(s, NULL);
	return true;
}

static unsigned hidden(const struct session *s)
{
	unsigned hide = 0;

	if (s->client.tls || !(s->plain_offers & ESMTP_STARTTLS) ||
		(!certificate_of(s) && !is_passed_through(s)))
		hide |= ESMTP_STARTTLS;
	/* A password is not to be lured out in the clear because the other leg is not. */
	if (s->server.tls && !s->client.tls && !(s->plain_offers & ESMTP_AUTH))
		hide |= ESMTP_AUTH;
	return hide;
}

/* The list as the client sees it; a STARTTLS that went away with TLS onward comes back. */
static void hello_tell(struct session *s, struct span reply)
{
	static const char line[] = "250-STARTTLS\r\n";
	static uint8_t out[SMTP_REPLY_BYTES + sizeof(line)];
	unsigned hide = hidden(s);
	size_t n = esmtp_filter(reply, hide, out);

	if (s->server.tls && !(hide & ESMTP_STARTTLS)) {
		uint8_t *first = memchr(out, '\n', n);
		size_t at = first ? (size_t)(first - out) + 1 : n;
		bool is_only = at == n;

		memmove(out + at + sizeof(line) - 1, out + at, n - at);
		memcpy(out + at, line, sizeof(line) - 1);
		out[3] = '-';
		if (is_only)
			out[at + 3] = ' ';
		n += sizeof(line) - 1;
	}
	session_tell(s, span_of(out, n));
}

void hello_reply(struct session *s, const struct smtp_reply *reply)
{
	struct span text = span_take(leg_in(&s->server), reply->bytes);

	s->offers = esmtp_offers(text);
	if (!s->server.tls)
		s->plain_offers = s->offers;
	greeting_keep(s, text);
	if (wants_tls(s)) {
		leg_consume(&s->server, reply->bytes);
		s->state = SESSION_STARTTLS;
		session_ask(s, SPAN_LIT("STARTTLS\r\n"));
		return;
	}
	hello_tell(s, text);
	leg_consume(&s->server, reply->bytes);
}

bool hello_is_second(struct session *s)
{
	bool is_second = s->must_hello && !s->hello_again;

	s->hello_again = true;
	return is_second;
}

/* EHLO again: under TLS it may offer other things, and without it the client's still waits. */
static void hello_again(struct session *s)
{
	s->state = SESSION_COMMAND;
	session_ask(s, span_str(queue_head(s)->text));
}

bool hello_starttls_step(struct session *s)
{
	struct smtp_reply reply;

	if (session_reply(s, &reply) != SMTP_OK)
		return s->state == SESSION_CLOSING;
	leg_consume(&s->server, reply.bytes);
	if (reply.code == 421) {
		session_end(s, "421 4.3.2 Sekisho: the mail server closes\r\n");
	} else if (reply.code != 220) {
		s->no_tls = true;
		hello_again(s);
	} else if (leg_in(&s->server).n) { /* replies smuggled in front of the handshake */
		session_makes_no_sense(s);
	} else if (leg_tls(&s->server, tls_connect(&s->shared->tls, s->greeting))) {
		s->state = SESSION_SERVER_TLS;
	} else {
		session_end(s, "421 4.3.0 Sekisho: out of memory, closing\r\n");
	}
	return true;
}

void hello_tls_failed(struct session *s)
{
	s->shared->count.tls_failed++;
	s->no_tls = true;
	session_redial(s);
}

bool hello_server_tls_step(struct session *s)
{
	enum leg_handshake r = leg_handshake(&s->server);

	if (r == LEG_DONE) {
		s->shared->count.tls_server++;
		hello_again(s);
	} else if (r == LEG_FAILED) {
		hello_tls_failed(s);
	}
	return r != LEG_WAIT;
}

/* NULL when TLS may begin with the client. */
static const char *starttls_refusal(const struct session *s)
{
	if (s->client.tls || !(s->plain_offers & ESMTP_STARTTLS))
		return "503 5.5.1 Sekisho: STARTTLS is not offered\r\n";
	if (s->authenticated || s->envelope.has_mail || s->message)
		return "503 5.5.1 Sekisho: too late for STARTTLS\r\n";
	if (!certificate_of(s) && !is_passed_through(s))
		return "502 5.5.1 Sekisho: STARTTLS is not offered\r\n";
	return NULL;
}

void hello_starttls(struct session *s, const struct smtp_command *command)
{
	const char *refusal = command->argument.n
				      ? "501 5.5.4 Sekisho: STARTTLS has no parameters\r\n"
				      : starttls_refusal(s);
	bool injected = leg_in(&s->client).n > command->bytes;

	leg_consume(&s->client, command->bytes);
	if (refusal) {
		session_refuse(s, refusal);
	} else if (injected) {
		/* They would be taken for what came under TLS (RFC 3207, section 6). */
		session_end(
			s, "503 5.5.0 Sekisho: bytes after STARTTLS before its reply, closing\r\n");
	} else if (certificate_of(s)) {
		s->state = SESSION_CLIENT_TLS;
		session_tell(s, SPAN_LIT("220 2.0.0 Sekisho: begin TLS\r\n"));
	} else if (queue_put(s, SMTP_STARTTLS, NULL, (struct span){0})) {
		session_ask(s, SPAN_LIT("STARTTLS\r\n"));
	}
}

static bool client_tls_begin(struct session *s)
{
	const struct tls_host *host = certificate_of(s);

	if (leg_in(&s->client).n || !host || !leg_tls(&s->client, tls_accept(host))) {
		s->shared->count.tls_failed++;
		session_end(s, NULL);
		return false;
	}
	return true;
}

bool hello_client_tls_step(struct session *s)
{
	if (!leg_is_flushed(&s->client))
		return false;
	if (!s->client.tls && !client_tls_begin(s))
		return true;
	enum leg_handshake r = leg_handshake(&s->client);
	if (r == LEG_FAILED) {
		s->shared->count.tls_failed++;
		session_end(s, NULL);
	} else if (r == LEG_DONE) {
		/* What was said in the clear was not said (RFC 3207, section 4.2). */
		s->shared->count.tls_client++;
		envelope_reset(&s->envelope);
		envelope_helo(&s->envelope, (struct span){0});
		s->must_hello = true;
		s->state = SESSION_COMMAND;
	}
	return r != LEG_WAIT;
}

/* The server's 220 has been told: from here on the bytes are theirs. */
void hello_tunnel(struct session *s)
{
	struct mail_event event = {
		.envelope = &s->envelope,
		.action = ACTION_ACCEPT,
		.why = "passed unread: TLS, and no certificate for this server",
		.reply = SPAN_LIT("220"),
	};

	s->shared->count.tunnels++;
	s->state = SESSION_TUNNEL;
	event_mail(s->shared->eve, &event);
}

static bool pour(struct leg *from, struct leg *to)
{
	struct span bytes = span_take(leg_in(from), leg_room(to));

	if (bytes.n == 0 || !leg_send(to, bytes))
		return false;
	leg_consume(from, bytes.n);
	return true;
}

bool hello_tunnel_step(struct session *s)
{
	bool moved = pour(&s->client, &s->server);

	moved |= pour(&s->server, &s->client);
	if (!moved && (s->client.eof || s->server.eof || s->server.dead) &&
		leg_is_flushed(&s->client) && (leg_is_flushed(&s->server) || s->server.dead)) {
		session_end(s, NULL);
		return true;
	}
	return moved;
}
