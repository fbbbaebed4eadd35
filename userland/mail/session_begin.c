/* How a session begins: who and where to, whether one more of theirs is let in. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mark.h"
#include "mail/session.h"

/* The mark that the client's first packet had: where replies and the onward connection have to
 * leave (lib/mark.h). Tied to the device of its VLAN, the connection is not mistaken for the same
 * one in another VLAN, which a router between the two makes. */
static uint32_t mark_read(int fd)
{
	uint32_t mark = 0;
	socklen_t len = sizeof(mark);
	char device[IFNAMSIZ] = BRIDGE;

	if (getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &len) < 0 || !(mark & MARK_BRIDGED))
		return 0;
	mark &= MARK_BRIDGED | MARK_VLAN_MASK;
	if (envelope_vlan(mark))
		snprintf(device, sizeof(device), BRIDGE ".%u", envelope_vlan(mark));
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) < 0)
		log_warning("a connection cannot be tied to %s: %s", device, strerror(errno));
	return mark;
}

static int addresses_read(struct session *s, int fd)
{
	struct sockaddr_storage peer, own;
	socklen_t peer_len = sizeof(peer), own_len = sizeof(own);

	/* TPROXY: the connection's own address is the one the client dialled. */
	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0 ||
		getsockname(fd, (struct sockaddr *)&own, &own_len) < 0)
		return -errno;
	if (!endpoint_of(&peer, &s->envelope.client) || !endpoint_of(&own, &s->envelope.server))
		return -EAFNOSUPPORT;
	s->envelope.mark = mark_read(fd);
	if (s->shared->has_upstream)
		s->envelope.server = s->shared->upstream;
	const struct relay *relay = settings_relay(&s->shared->settings, s->envelope.server.ip);
	if (relay) {
		s->is_relay = true;
		s->relay_from = s->envelope.server;
		memcpy(s->envelope.server.ip, relay->server, sizeof(relay->server));
	}
	return 0;
}

/* NULL when the session may begin. */
static const char *quota_refusal(struct session *s)
{
	const struct settings *settings = &s->shared->settings;

	switch (quota_enter(&s->shared->quota, s->envelope.client.ip, session_now_us(s),
		settings->max_sessions_per_source, settings->max_sessions_per_minute, &s->source)) {
	case QUOTA_TOO_MANY:
		return "421 4.7.0 Sekisho: too many sessions from your address, try again "
		       "later\r\n";
	case QUOTA_TOO_FAST:
		return "421 4.7.0 Sekisho: sessions from your address come too fast, try again "
		       "later\r\n";
	case QUOTA_ENTER:
		break;
	}
	return NULL;
}

static int session_init(struct session *s, int fd)
{
	int r = addresses_read(s, fd);

	if (r < 0)
		return r;
	s->deadline_us = s->armed_us = session_now_us(s) + SESSION_CONNECT_S * 1000000ull;
	r = sd_event_add_time(
		s->shared->event, &s->timer, CLOCK_MONOTONIC, s->armed_us, 0, session_on_timer, s);
	if (r < 0)
		return r;
	r = leg_open(&s->client, fd, false, session_on_client, s);
	if (r < 0)
		return r;
	const char *refusal = quota_refusal(s);
	if (refusal) {
		s->shared->count.turned_away++;
		session_end(s, refusal);
	}
	return 0;
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
	s->client.source.fd = s->server.source.fd = s->server.fd = -1;
	s->dial = (struct dial){.on_done = session_on_dialled, .userdata = s};
	s->next = shared->first;
	if (s->next)
		s->next->previous = s;
	shared->first = s;
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
