#include "mail/leg.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int leg_open(struct leg *l, sd_event *event, int fd, bool connecting, sd_event_io_handler_t on_io,
	void *userdata)
{
	int on = 1;

	l->fd = fd;
	l->connecting = connecting;
	l->events = connecting ? EPOLLOUT : EPOLLIN;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return sd_event_add_io(event, &l->io, fd, l->events, on_io, userdata);
}

void leg_close(struct leg *l)
{
	l->io = sd_event_source_disable_unref(l->io);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->eof = l->dead = true;
}

void leg_abort(struct leg *l)
{
	struct linger now = {.l_onoff = 1};

	if (l->fd >= 0)
		setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	leg_close(l);
}

struct span leg_in(const struct leg *l)
{
	return span_of(l->in.bytes + l->in.start, l->in.end - l->in.start);
}

static void buffer_consume(struct leg_buffer *b, size_t n)
{
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}

static void buffer_compact(struct leg_buffer *b)
{
	if (b->start == 0)
		return;
	memmove(b->bytes, b->bytes + b->start, b->end - b->start);
	b->end -= b->start;
	b->start = 0;
}

void leg_consume(struct leg *l, size_t n)
{
	buffer_consume(&l->in, n);
}

uint8_t *leg_space(struct leg *l, size_t *ret_cap)
{
	buffer_compact(&l->out);
	*ret_cap = LEG_BUFFER_BYTES - l->out.end;
	return l->out.bytes + l->out.end;
}

void leg_filled(struct leg *l, size_t n)
{
	l->out.end += n;
}

bool leg_send(struct leg *l, struct span bytes)
{
	size_t cap;
	uint8_t *space = leg_space(l, &cap);

	if (bytes.n > cap)
		return false;
	memcpy(space, bytes.p, bytes.n);
	leg_filled(l, bytes.n);
	return true;
}

bool leg_is_flushed(const struct leg *l)
{
	return l->out.start == l->out.end;
}

bool leg_read(struct leg *l)
{
	if (l->fd < 0 || l->eof || l->dead || l->connecting)
		return false;
	buffer_compact(&l->in);
	if (l->in.end == LEG_BUFFER_BYTES)
		return false;
	ssize_t n =
		recv(l->fd, l->in.bytes + l->in.end, LEG_BUFFER_BYTES - l->in.end, MSG_DONTWAIT);
	if (n > 0)
		l->in.end += (size_t)n;
	else if (n == 0)
		l->eof = true;
	else if (errno == EAGAIN || errno == EINTR)
		return false;
	else
		l->dead = l->eof = true;
	return true;
}

bool leg_flush(struct leg *l)
{
	if (l->fd < 0 || l->dead || l->connecting || leg_is_flushed(l))
		return false;
	ssize_t n = send(l->fd, l->out.bytes + l->out.start, l->out.end - l->out.start,
		MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return false;
		l->dead = l->eof = true;
		return true;
	}
	buffer_consume(&l->out, (size_t)n);
	return true;
}

void leg_arm(struct leg *l)
{
	uint32_t events = 0;

	if (l->fd < 0)
		return;
	if (l->dead) { /* EPOLLHUP and EPOLLERR cannot be masked: stop listening to the socket */
		l->io = sd_event_source_disable_unref(l->io);
		return;
	}
	if (!l->eof && !l->connecting && l->in.end - l->in.start < LEG_BUFFER_BYTES)
		events |= EPOLLIN;
	if (l->connecting || !leg_is_flushed(l))
		events |= EPOLLOUT;
	if (events != l->events) {
		sd_event_source_set_io_events(l->io, events);
		l->events = events;
	}
}
