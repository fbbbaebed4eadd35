#include "mail/leg.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PARK_BYTES_MAX 2048

static struct leg_buffer *spare[LEG_SPARE_MAX];
static unsigned spares;

static struct leg_buffer *buffer_new(size_t cap)
{
	struct leg_buffer *b;

	if (cap == LEG_BUFFER_BYTES && spares > 0)
		return spare[--spares];
	b = malloc(sizeof(*b) + cap);
	if (b) {
		b->start = b->end = 0;
		b->cap = cap;
	}
	return b;
}

static void buffer_free(struct leg_buffer *b)
{
	if (!b)
		return;
	b->start = b->end = 0;
	if (b->cap == LEG_BUFFER_BYTES && spares < LEG_SPARE_MAX)
		spare[spares++] = b;
	else
		free(b);
}

static size_t buffer_used(const struct leg_buffer *b)
{
	return b ? b->end - b->start : 0;
}

/* The bytes into a block of another size. */
static bool buffer_move(struct leg_buffer **b, size_t cap)
{
	struct leg_buffer *other = buffer_new(cap);
	size_t used = buffer_used(*b);

	if (!other)
		return false;
	if (*b)
		memcpy(other->bytes, (*b)->bytes + (*b)->start, used);
	other->end = used;
	buffer_free(*b);
	*b = other;
	return true;
}

/* A full-sized buffer whose free space is in one piece at its end. */
static bool buffer_ready(struct leg_buffer **b)
{
	if (!*b || (*b)->cap != LEG_BUFFER_BYTES)
		return buffer_move(b, LEG_BUFFER_BYTES);
	if ((*b)->start > 0) {
		memmove((*b)->bytes, (*b)->bytes + (*b)->start, buffer_used(*b));
		(*b)->end -= (*b)->start;
		(*b)->start = 0;
	}
	return true;
}

static void buffer_consume(struct leg_buffer **b, size_t n)
{
	if (!*b)
		return;
	(*b)->start += n;
	if ((*b)->start == (*b)->end) {
		buffer_free(*b);
		*b = NULL;
	}
}

int leg_open(struct leg *l, int fd, bool connecting, void (*on_io)(void *userdata, uint32_t events),
	void *userdata)
{
	int on = 1;

	*l = (struct leg){.fd = fd,
		.connecting = connecting,
		.source = {.fd = fd,
			.events = connecting ? EPOLLOUT : EPOLLIN,
			.on_io = on_io,
			.userdata = userdata}};
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	int r = poller_add(&l->source);
	if (r < 0)
		l->source.fd = -1;
	return r;
}

void leg_close(struct leg *l)
{
	poller_remove(&l->source);
	if (l->tls) {
		if (l->fd >= 0 && !l->dead && !l->handshaking) {
			ERR_clear_error();
			SSL_shutdown(l->tls); /* says goodbye, does not wait for an answer */
		}
		SSL_free(l->tls);
	}
	l->tls = NULL;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->handshaking = false;
	l->eof = l->dead = true;
	buffer_free(l->in);
	buffer_free(l->out);
	l->in = l->out = NULL;
}

void leg_abort(struct leg *l)
{
	struct linger now = {.l_onoff = 1};

	if (l->fd >= 0)
		setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	l->dead = true;
	leg_close(l);
}

struct span leg_in(const struct leg *l)
{
	return l->in ? span_of(l->in->bytes + l->in->start, buffer_used(l->in)) : (struct span){0};
}

void leg_consume(struct leg *l, size_t n)
{
	buffer_consume(&l->in, n);
}

size_t leg_room(const struct leg *l)
{
	return LEG_BUFFER_BYTES - buffer_used(l->out);
}

bool leg_send(struct leg *l, struct span bytes)
{
	if (bytes.n == 0)
		return true;
	if (bytes.n > leg_room(l) || !buffer_ready(&l->out))
		return false;
	memcpy(l->out->bytes + l->out->end, bytes.p, bytes.n);
	l->out->end += bytes.n;
	return true;
}

bool leg_is_flushed(const struct leg *l)
{
	return buffer_used(l->out) == 0;
}

static bool is_open(const struct leg *l)
{
	return l->fd >= 0 && !l->dead && !l->connecting && !l->handshaking;
}

static void die(struct leg *l)
{
	l->dead = l->eof = true;
}

/* What the socket took of n bytes; a reason to wait or to give up is in the leg. */
static size_t sent_result(struct leg *l, ssize_t sent, size_t n)
{
	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		die(l);
	l->blocked = !l->dead && sent < (ssize_t)n;
	return sent < 0 ? 0 : (size_t)sent;
}

size_t leg_sendv(struct leg *l, const struct iovec *runs, int count)
{
	struct msghdr message = {.msg_iov = (struct iovec *)runs, .msg_iovlen = (size_t)count};
	size_t n = 0;

	if (is_open(l) && !l->tls && leg_is_flushed(l)) {
		for (int i = 0; i < count; i++)
			n += runs[i].iov_len;
		return sent_result(l, sendmsg(l->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL), n);
	}
	for (int i = 0; i < count; i++) {
		size_t part = leg_room(l) < runs[i].iov_len ? leg_room(l) : runs[i].iov_len;
		if (!leg_send(l, span_of(runs[i].iov_base, part)))
			break;
		n += part;
		if (part < runs[i].iov_len)
			break;
	}
	return n;
}

bool leg_tls(struct leg *l, SSL *tls)
{
	if (!tls || SSL_set_fd(tls, l->fd) != 1) {
		SSL_free(tls);
		return false;
	}
	l->tls = tls;
	l->handshaking = true;
	l->tls_wants = 0;
	return true;
}

/* After an OpenSSL call that gave no bytes: true when it is a matter of waiting. */
static bool tls_waits(struct leg *l, int result)
{
	int why = SSL_get_error(l->tls, result);

	l->tls_wants = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? why : 0;
	if (l->tls_wants == 0 && why != SSL_ERROR_ZERO_RETURN)
		die(l);
	return l->tls_wants != 0;
}

enum leg_handshake leg_handshake(struct leg *l)
{
	if (l->fd < 0 || l->dead)
		return LEG_FAILED;
	ERR_clear_error();
	int r = SSL_do_handshake(l->tls);
	if (r == 1) {
		l->handshaking = false;
		l->tls_wants = 0;
		return LEG_DONE;
	}
	return tls_waits(l, r) ? LEG_WAIT : LEG_FAILED;
}

static bool tls_read(struct leg *l)
{
	size_t n = 0;

	ERR_clear_error();
	int r = SSL_read_ex(l->tls, l->in->bytes + l->in->end, l->in->cap - l->in->end, &n);
	if (r == 1) {
		l->tls_wants = 0;
		l->in->end += n;
		return true;
	}
	if (tls_waits(l, r))
		return false;
	l->eof = true;
	return true;
}

static bool plain_read(struct leg *l)
{
	ssize_t n = recv(l->fd, l->in->bytes + l->in->end, l->in->cap - l->in->end, MSG_DONTWAIT);

	if (n > 0)
		l->in->end += (size_t)n;
	else if (n == 0)
		l->eof = true;
	else if (errno == EAGAIN || errno == EINTR)
		return false;
	else
		die(l);
	return true;
}

bool leg_read(struct leg *l)
{
	if (!is_open(l) || l->eof || buffer_used(l->in) == LEG_BUFFER_BYTES)
		return false;
	if (!buffer_ready(&l->in)) {
		die(l);
		return true;
	}
	bool moved = l->tls ? tls_read(l) : plain_read(l);
	buffer_consume(&l->in, 0); /* gives it back when nothing came */
	return moved;
}

bool leg_has_more(const struct leg *l)
{
	return l->tls && is_open(l) && !l->eof && buffer_used(l->in) < LEG_BUFFER_BYTES &&
	       SSL_has_pending(l->tls) == 1;
}

static size_t tls_write(struct leg *l, struct span bytes)
{
	size_t n = 0;

	ERR_clear_error();
	int r = SSL_write_ex(l->tls, bytes.p, bytes.n, &n);
	if (r == 1)
		l->tls_wants = 0;
	else if (!tls_waits(l, r))
		die(l);
	return r == 1 ? n : 0;
}

bool leg_flush(struct leg *l)
{
	if (!is_open(l) || leg_is_flushed(l))
		return false;
	struct span bytes = span_of(l->out->bytes + l->out->start, buffer_used(l->out));
	size_t n =
		l->tls ? tls_write(l, bytes)
		       : sent_result(l, send(l->fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL),
				 bytes.n);
	buffer_consume(&l->out, n);
	return n > 0 || l->dead;
}

static void buffer_park(struct leg_buffer **b)
{
	size_t used = buffer_used(*b);

	if (*b && (*b)->cap == LEG_BUFFER_BYTES && used <= PARK_BYTES_MAX)
		buffer_move(b, used);
}

void leg_park(struct leg *l)
{
	buffer_park(&l->in);
	buffer_park(&l->out);
}

static uint32_t events_wanted(const struct leg *l)
{
	uint32_t events = 0;

	if (l->handshaking)
		return l->tls_wants == SSL_ERROR_WANT_WRITE ? EPOLLOUT : EPOLLIN;
	if (!l->eof && !l->connecting && buffer_used(l->in) < LEG_BUFFER_BYTES)
		events |= EPOLLIN;
	if (l->connecting || !leg_is_flushed(l) || l->blocked ||
		l->tls_wants == SSL_ERROR_WANT_WRITE)
		events |= EPOLLOUT;
	return events;
}

void leg_arm(struct leg *l)
{
	if (l->dead) /* EPOLLHUP and EPOLLERR cannot be masked: stop listening to the socket */
		poller_remove(&l->source);
	else if (l->fd >= 0)
		poller_change(&l->source, events_wanted(l));
}
