#include "mail/session.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t session_now_us(const struct session *s)
{
	uint64_t t = 0;

	sd_event_now(s->shared->event, CLOCK_MONOTONIC, &t);
	return t;
}

void session_tell(struct session *s, struct span reply)
{
	if (!leg_send(&s->client, reply))
		session_end(s, NULL);
}

void session_ask(struct session *s, struct span command)
{
	if (!leg_send(&s->server, command))
		session_end(s, "421 4.3.0 Sekisho: the mail server does not read, closing\r\n");
}

void session_end(struct session *s, const char *reply)
{
	if (s->state == SESSION_CLOSING || s->state == SESSION_DEAD)
		return;
	s->state = SESSION_CLOSING;
	dial_stop(&s->dial);
	message_lost(s);
	leg_flush(&s->server); /* a QUIT, or what the socket still takes */
	leg_close(&s->server);
	if (reply)
		leg_send(&s->client, span_str(reply));
}

void session_refuse(struct session *s, const char *reply)
{
	if (++s->errors > SESSION_ERRORS_MAX)
		session_end(s, "421 4.7.0 Sekisho: too many refused commands, closing\r\n");
	else
		session_tell(s, span_str(reply));
}

enum smtp_parse session_reply(struct session *s, struct smtp_reply *ret)
{
	enum smtp_parse r = smtp_reply_parse(leg_in(&s->server), ret);

	if (r == SMTP_OK || (r == SMTP_MORE && !s->server.eof))
		return r;
	session_end(s, r == SMTP_MORE
			       ? "421 4.4.2 Sekisho: the mail server closed the connection\r\n"
			       : "421 4.5.0 Sekisho: the mail server's reply makes no sense\r\n");
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

static int on_server(sd_event_source *io, int fd, uint32_t events, void *userdata);

static void connect_failed(struct session *s, int error)
{
	/* What the server did, done to the client: a refused connection is refused. */
	if (error == ECONNREFUSED) {
		leg_abort(&s->client);
		s->state = SESSION_DEAD;
		return;
	}
	session_end(s, "421 4.4.1 Sekisho: the mail server cannot be reached\r\n");
}

static bool dial_step(struct session *s)
{
	if (s->dial.link)
		return false;
	int r = dial_start(&s->dial, s->shared->event, &s->envelope.client, &s->envelope.server);
	if (r < 0)
		connect_failed(s, EHOSTUNREACH);
	return r < 0;
}

static void on_dialled(void *userdata, int fd)
{
	struct session *s = userdata;
	int r = fd;

	if (fd >= 0) {
		r = leg_open(&s->server, s->shared->event, fd, true, on_server, s);
		s->state = SESSION_CONNECT;
	}
	if (r < 0)
		connect_failed(s, -r);
	session_pump(s);
}

static bool connect_step(struct session *s)
{
	if (s->server.connecting)
		return false;
	s->state = SESSION_REPLY; /* the banner is passed on like any reply */
	s->verb = SMTP_UNKNOWN;
	return true;
}

static bool closing_step(struct session *s)
{
	bool moved = leg_in(&s->client).n > 0;

	/* What the client still sends is read and dropped: a close with unread bytes is a reset,
	 * and the client would lose our last reply. */
	leg_consume(&s->client, leg_in(&s->client).n);
	if (leg_is_flushed(&s->client) && !s->shut) {
		shutdown(s->client.fd, SHUT_WR);
		s->shut = moved = true;
	}
	if (s->client.dead || (s->shut && s->client.eof)) {
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
	case SESSION_REPLY:
	case SESSION_RESET:
	case SESSION_COMMAND: /* command.c reads to the end first */
	case SESSION_AUTH:
	case SESSION_DATA:
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
		[SESSION_COMMAND] = command_step,
		[SESSION_REPLY] = command_reply_step,
		[SESSION_AUTH] = command_auth_step,
		[SESSION_DATA] = message_data_step,
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

/* The timer is set again only when it would come too late: a busy session costs nothing. */
static void deadline_set(struct session *s)
{
	s->deadline_us = session_now_us(s) + state_limit_us(s);
	if (s->deadline_us < s->armed_us || s->armed_us == 0) {
		s->armed_us = s->deadline_us;
		sd_event_source_set_time(s->timer, s->armed_us);
		sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
	}
}

static void session_free(struct session *s)
{
	dial_stop(&s->dial);
	message_free(s);
	envelope_reset(&s->envelope);
	sd_event_source_disable_unref(s->timer);
	leg_close(&s->client);
	leg_close(&s->server);
	s->shared->sessions--;
	free(s);
}

void session_pump(struct session *s)
{
	enum session_state before = s->state;
	bool moved, any = false;

	do {
		moved = session_step(s);
		moved |= leg_flush(&s->server);
		moved |= leg_flush(&s->client);
		any |= moved;
	} while (moved && s->state != SESSION_DEAD);
	if (s->state == SESSION_DEAD) {
		session_free(s);
		return;
	}
	/* Bytes dropped while closing do not buy more time. */
	if (s->state != SESSION_CLOSING ? any : before != SESSION_CLOSING)
		deadline_set(s);
	leg_arm(&s->client);
	leg_arm(&s->server);
}

static int on_client(sd_event_source *io, int fd, uint32_t events, void *userdata)
{
	struct session *s = userdata;

	(void)io;
	(void)fd;
	if (events & EPOLLERR || (events & EPOLLHUP && s->client.eof))
		s->client.dead = s->client.eof = true;
	leg_read(&s->client);
	session_pump(s);
	return 0;
}

static int on_server(sd_event_source *io, int fd, uint32_t events, void *userdata)
{
	struct session *s = userdata;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)io;
	if (s->server.connecting) {
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
		s->server.connecting = false;
		if (error)
			connect_failed(s, error);
	} else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		leg_read(&s->server);
	}
	session_pump(s);
	return 0;
}

static int on_timer(sd_event_source *timer, uint64_t usec, void *userdata)
{
	struct session *s = userdata;

	(void)timer;
	(void)usec;
	s->armed_us = 0;
	if (session_now_us(s) < s->deadline_us) {
		s->armed_us = s->deadline_us;
		sd_event_source_set_time(s->timer, s->armed_us);
		return sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
	}
	if (s->state == SESSION_CLOSING)
		s->state = SESSION_DEAD;
	else
		session_end(
			s, s->state <= SESSION_CONNECT
				   ? "421 4.4.1 Sekisho: the mail server does not answer\r\n"
				   : "421 4.4.2 Sekisho: nothing came for too long, closing\r\n");
	session_pump(s);
	return 0;
}

static int session_init(struct session *s, int fd)
{
	struct sockaddr_storage peer, own;
	socklen_t peer_len = sizeof(peer), own_len = sizeof(own);

	/* TPROXY: the connection's own address is the one the client dialled. */
	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0 ||
		getsockname(fd, (struct sockaddr *)&own, &own_len) < 0)
		return -errno;
	if (!endpoint_of(&peer, &s->envelope.client) || !endpoint_of(&own, &s->envelope.server))
		return -EAFNOSUPPORT;
	if (s->shared->has_upstream)
		s->envelope.server = s->shared->upstream;
	int r = sd_event_add_time_relative(s->shared->event, &s->timer, CLOCK_MONOTONIC,
		SESSION_CONNECT_S * 1000000ull, 0, on_timer, s);
	if (r < 0)
		return r;
	return leg_open(&s->client, s->shared->event, fd, false, on_client, s);
}

int session_new(struct mail_shared *shared, int fd)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->shared = shared;
	s->client.fd = fd;
	s->server.fd = -1;
	s->dial = (struct dial){.on_done = on_dialled, .userdata = s};
	shared->sessions++;
	shared->count.sessions++;
	int r = session_init(s, fd);
	if (r < 0) {
		session_free(s);
		return r;
	}
	session_pump(s);
	return 0;
}
