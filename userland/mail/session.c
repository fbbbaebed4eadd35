#include "mail/session.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t session_now_us(const struct session *s)
{
	struct timespec t;

	/* not the loop's: many sockets are served in one turn of it */
	(void)s;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

void session_tell(struct session *s, struct span reply)
{
	if (!leg_send(&s->client, reply))
		session_end(s, NULL);
}

void session_ask(struct session *s, struct span command)
{
	s->asked_us = session_now_us(s);
	if (!leg_send(&s->server, command))
		session_end(s, "421 4.3.0 Sekisho: the mail server does not read, closing\r\n");
}

void session_end(struct session *s, const char *reply)
{
	bool idle = !s->message;

	if (s->state == SESSION_CLOSING || s->state == SESSION_DEAD)
		return;
	s->state = SESSION_CLOSING;
	dial_stop(&s->shared->dialler, &s->dial);
	message_lost(s);
	queue_clear(s);
	if (idle)
		leg_flush(&s->server); /* a QUIT; but never the end of a message */
	leg_close(&s->server);
	if (reply)
		leg_send(&s->client, span_str(reply));
}

void session_makes_no_sense(struct session *s)
{
	session_end(s, "421 4.5.0 Sekisho: the mail server's reply makes no sense\r\n");
}

void session_refuse(struct session *s, const char *reply)
{
	if (++s->errors > SESSION_ERRORS_MAX)
		session_end(s, "421 4.7.0 Sekisho: too many refused commands, closing\r\n");
	else if (s->queue.count)
		queue_put(s, SMTP_UNKNOWN, reply, (struct span){0});
	else
		session_tell(s, span_str(reply));
}

enum smtp_parse session_reply(struct session *s, struct smtp_reply *ret)
{
	enum smtp_parse r;

	while ((r = smtp_reply_parse(leg_in(&s->server), ret)) == SMTP_OK && s->noops > 0 &&
		ret->code != 421) {
		leg_consume(&s->server, ret->bytes);
		s->noops--;
	}
	if (r == SMTP_OK || (r == SMTP_MORE && !s->server.eof))
		return r;
	if (r == SMTP_MORE)
		session_end(s, "421 4.4.2 Sekisho: the mail server closed the connection\r\n");
	else
		session_makes_no_sense(s);
	return SMTP_BAD;
}

bool session_is_interrupted(struct session *s)
{
	struct smtp_reply reply;

	if (leg_in(&s->server).n == 0 && !s->server.eof)
		return false;
	enum smtp_parse r = session_reply(s, &reply);
	if (r == SMTP_MORE)
		return false;
	if (r == SMTP_OK && reply.code == 421) { /* the server's own time-out or shutdown */
		session_tell(s, span_take(leg_in(&s->server), reply.bytes));
		session_end(s, NULL);
	} else if (r == SMTP_OK) {
		session_end(s, "421 4.5.0 Sekisho: the mail server spoke out of turn\r\n");
	}
	return true;
}

static void on_server(void *userdata, uint32_t events);

static void connect_failed(struct session *s, int error)
{
	/* What the server did, done to the client: a refused connection is refused. */
	if (error == ECONNREFUSED && !s->redialled) {
		leg_abort(&s->client);
		s->state = SESSION_DEAD;
		return;
	}
	session_end(s, "421 4.4.1 Sekisho: the mail server cannot be reached\r\n");
}

/* A client that has something to say before the server has greeted it is no mail server. */
static bool is_early(struct session *s)
{
	if (leg_in(&s->client).n == 0 || s->redialled)
		return false;
	session_end(s, "554 5.5.0 Sekisho: you speak before the greeting, closing\r\n");
	return true;
}

static bool dial_step(struct session *s)
{
	if (is_early(s))
		return true;
	if (s->dial.number)
		return false;
	int r = dial_start(&s->shared->dialler, &s->dial,
		s->is_relay ? DIAL_RELAY : DIAL_TRANSPARENT,
		s->is_relay ? &s->relay_from : &s->envelope.client, &s->envelope.server,
		s->is_relay ? 0 : s->envelope.mark);
	if (r < 0)
		connect_failed(s, EHOSTUNREACH);
	return r < 0;
}

void session_on_dialled(void *userdata, int fd)
{
	struct session *s = userdata;
	int r = fd;

	if (fd >= 0) {
		r = leg_open(&s->server, fd, true, on_server, s);
		s->state = SESSION_CONNECT;
	}
	if (r < 0)
		connect_failed(s, -r);
	session_pump(s);
}

static bool connect_step(struct session *s)
{
	if (is_early(s))
		return true;
	if (s->server.connecting)
		return false;
	s->state = SESSION_BANNER;
	s->asked_us = session_now_us(s);
	return true;
}

void session_redial(struct session *s)
{
	leg_abort(&s->server); /* leaves no TIME_WAIT: the addresses are wanted again */
	s->redialled = true;
	s->state = SESSION_DIAL;
	s->deadline_us = session_now_us(s) + SESSION_CONNECT_S * 1000000ull;
}

static bool banner_step(struct session *s)
{
	return is_early(s) || hello_banner_step(s);
}

static bool closing_step(struct session *s)
{
	bool moved = leg_in(&s->client).n > 0;

	/* What the client still sends is read and dropped: a close with unread bytes is a reset,
	 * and the client would lose our last reply. */
	leg_consume(&s->client, leg_in(&s->client).n);
	if (leg_is_flushed(&s->client) && !s->shut && s->client.fd >= 0) {
		if (s->client.tls && !s->client.handshaking && !s->client.dead)
			SSL_shutdown(s->client.tls);
		shutdown(s->client.fd, SHUT_WR);
		s->shut = moved = true;
	}
	if (s->client.dead || s->client.handshaking || (s->shut && s->client.eof)) {
		s->state = SESSION_DEAD;
		return false;
	}
	return moved;
}

/* A client that is gone, or that will never send what is waited for. */
static bool is_abandoned(const struct session *s)
{
	switch (s->state) {
	case SESSION_FINAL: /* the server may have the message already: its reply goes into the
			       event */
	case SESSION_CLOSING:
	case SESSION_DEAD:
		return false;
	case SESSION_RESET:
	case SESSION_COMMAND: /* command.c reads to the end first */
	case SESSION_AUTH:
	case SESSION_DATA:
	case SESSION_CHUNK:
	case SESSION_TUNNEL:
		return s->client.dead;
	default:
		return s->client.eof;
	}
}

static bool session_step(struct session *s)
{
	static bool (*const steps[])(struct session *) = {
		[SESSION_DIAL] = dial_step,
		[SESSION_CONNECT] = connect_step,
		[SESSION_BANNER] = banner_step,
		[SESSION_COMMAND] = command_step,
		[SESSION_AUTH] = command_auth_step,
		[SESSION_STARTTLS] = hello_starttls_step,
		[SESSION_SERVER_TLS] = hello_server_tls_step,
		[SESSION_CLIENT_TLS] = hello_client_tls_step,
		[SESSION_TUNNEL] = hello_tunnel_step,
		[SESSION_DATA] = intake_data_step,
		[SESSION_CHUNK] = intake_chunk_step,
		[SESSION_CHECK] = message_check_step,
		[SESSION_DATA_REPLY] = message_data_reply_step,
		[SESSION_SEND] = message_send_step,
		[SESSION_FINAL] = message_final_step,
		[SESSION_RESET] = message_reset_step,
		[SESSION_CLOSING] = closing_step,
	};

	if (is_abandoned(s)) {
		session_end(s, NULL);
		return true;
	}
	return s->state != SESSION_DEAD && steps[s->state](s);
}

static uint64_t state_limit_us(const struct session *s)
{
	uint64_t idle = s->shared->settings.idle_timeout_s;

	switch (s->state) {
	case SESSION_DIAL:
	case SESSION_CONNECT:
		return SESSION_CONNECT_S * 1000000ull;
	case SESSION_SERVER_TLS:
	case SESSION_CLIENT_TLS:
		return SESSION_TLS_S * 1000000ull;
	case SESSION_DATA:
	case SESSION_CHUNK:
		return s->shared->settings.data_timeout_s * 1000000ull;
	case SESSION_CHECK: /* the checks have their own, this is the net under it */
		return 2 * CHECK_TIMEOUT_S * 1000000ull;
	case SESSION_FINAL:
		return (idle > SESSION_FINAL_S ? idle : SESSION_FINAL_S) * 1000000ull;
	case SESSION_CLOSING:
		return SESSION_LINGER_S * 1000000ull;
	default:
		return idle * 1000000ull;
	}
}

/* The server waits while a message comes in or is checked; its own time-out must not strike. */
static bool wants_keepalive(const struct session *s)
{
	return s->message && s->server.fd >= 0 &&
	       (s->state == SESSION_DATA || s->state == SESSION_CHUNK ||
		       s->state == SESSION_CHECK || s->state == SESSION_COMMAND);
}

static uint64_t keepalive_us(const struct session *s)
{
	return s->shared->settings.keep_alive_s * 1000000ull;
}

/* The timer is set again only when it would come too late: a busy session costs nothing. */
static void timer_arm(struct session *s)
{
	uint64_t next = s->deadline_us;

	if (s->state == SESSION_CHECK && s->message->checks.deadline_us < next)
		next = s->message->checks.deadline_us;
	if (wants_keepalive(s) && s->asked_us + keepalive_us(s) < next)
		next = s->asked_us + keepalive_us(s);
	if (next < s->armed_us || s->armed_us == 0) {
		s->armed_us = next;
		sd_event_source_set_time(s->timer, s->armed_us);
		sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
	}
}

void session_free(struct session *s)
{
	dial_stop(&s->shared->dialler, &s->dial);
	message_free(s);
	queue_clear(s);
	envelope_reset(&s->envelope);
	quota_leave(s->source);
	sd_event_source_disable_unref(s->timer);
	leg_close(&s->client);
	leg_close(&s->server);
	if (s->next)
		s->next->previous = s->previous;
	if (s->previous)
		s->previous->next = s->next;
	else
		s->shared->first = s->next;
	s->shared->sessions--;
	free(s->greeting);
	free(s);
}

/* One round: all steps that are possible, then what came of them goes out. */
static bool session_round(struct session *s)
{
	bool moved = false;

	while (s->state != SESSION_DEAD && session_step(s))
		moved = true;
	moved |= leg_flush(&s->server);
	moved |= leg_flush(&s->client);
	if (leg_has_more(&s->client))
		moved |= leg_read(&s->client);
	if (leg_has_more(&s->server))
		moved |= leg_read(&s->server);
	return moved;
}

void session_pump(struct session *s)
{
	enum session_state before = s->state;
	bool any = false;

	while (s->state != SESSION_DEAD && session_round(s))
		any = true;
	if (s->state == SESSION_DEAD) {
		session_free(s);
		return;
	}
	/* Bytes dropped while closing do not buy more time. */
	if (s->state != SESSION_CLOSING ? any : before != SESSION_CLOSING)
		s->deadline_us = session_now_us(s) + state_limit_us(s);
	timer_arm(s);
	leg_park(&s->client);
	leg_park(&s->server);
	leg_arm(&s->client);
	leg_arm(&s->server);
}

void session_on_client(void *userdata, uint32_t events)
{
	struct session *s = userdata;

	if (events & EPOLLERR || (events & EPOLLHUP && s->client.eof))
		s->client.dead = s->client.eof = true;
	if (events & EPOLLOUT)
		s->client.blocked = false;
	leg_read(&s->client);
	session_pump(s);
}

static void on_server(void *userdata, uint32_t events)
{
	struct session *s = userdata;
	int error = 0;
	socklen_t len = sizeof(error);

	if (events & EPOLLOUT)
		s->server.blocked = false;
	if (s->server.connecting) {
		getsockopt(s->server.fd, SOL_SOCKET, SO_ERROR, &error, &len);
		s->server.connecting = false;
		if (error)
			connect_failed(s, error);
	} else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		leg_read(&s->server);
	}
	session_pump(s);
}

static void keepalive_send(struct session *s)
{
	if (!wants_keepalive(s) || session_now_us(s) < s->asked_us + keepalive_us(s))
		return;
	s->noops++;
	session_ask(s, SPAN_LIT("NOOP\r\n"));
}

static void time_out(struct session *s)
{
	if (s->state == SESSION_CLOSING)
		s->state = SESSION_DEAD;
	else if (s->state == SESSION_SERVER_TLS)
		hello_tls_failed(s);
	else
		session_end(
			s, s->state <= SESSION_BANNER
				   ? "421 4.4.1 Sekisho: the mail server does not answer\r\n"
				   : "421 4.4.2 Sekisho: nothing came for too long, closing\r\n");
}

int session_on_timer(sd_event_source *timer, uint64_t usec, void *userdata)
{
	struct session *s = userdata;

	(void)timer;
	(void)usec;
	s->armed_us = 0;
	keepalive_send(s);
	if (s->state == SESSION_CHECK && session_now_us(s) >= s->message->checks.deadline_us)
		checks_give_up(&s->message->checks);
	if (session_now_us(s) >= s->deadline_us)
		time_out(s);
	session_pump(s);
	return 0;
}

void session_drain_all(struct mail_shared *shared, bool now)
{
	struct session *next;

	shared->draining = true;
	for (struct session *s = shared->first; s; s = next) {
		next = s->next;
		if (now && s->state != SESSION_CLOSING)
			session_end(s, "421 4.3.2 Sekisho: restarting, try again\r\n");
		session_pump(s);
	}
}
