#include "mail/dial.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/path.h"

static void wish_remove(struct dialler *d, struct dial *wish)
{
	if (wish->next)
		wish->next->previous = wish->previous;
	if (wish->previous)
		wish->previous->next = wish->next;
	else
		d->first = wish->next;
	wish->next = wish->previous = NULL;
	wish->number = 0;
	d->pending--;
}

static void disconnect(struct dialler *d)
{
	poller_remove(&d->io);
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	while (d->first) {
		struct dial *wish = d->first;
		wish_remove(d, wish);
		wish->on_done(wish->userdata, -ECONNRESET);
	}
}

static void answer_take(struct dialler *d, const struct dial_answer *answer, int fd)
{
	struct dial *wish = d->first;

	while (wish && wish->number != answer->number)
		wish = wish->next;
	if (!wish) { /* its session has ended */
		if (fd >= 0)
			close(fd);
		return;
	}
	wish_remove(d, wish);
	if (fd < 0)
		wish->on_done(wish->userdata, answer->error < 0 ? answer->error : -EPROTO);
	else
		wish->on_done(wish->userdata, fd);
}

/* One record: 1, 0 when there is none, or -errno. */
static int answer_read(struct dialler *d, struct dial_answer *answer, int *ret_fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec data = {answer, sizeof(*answer)};
	struct msghdr m = {.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(d->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	*ret_fd = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof(*ret_fd));
	return n == sizeof(*answer) ? 1 : -ECONNRESET;
}

static void on_answer(void *userdata, uint32_t events)
{
	struct dialler *d = userdata;
	struct dial_answer answer;
	int passed = -1, r = answer_read(d, &answer, &passed);

	(void)events;
	if (r > 0)
		answer_take(d, &answer, passed);
	else if (r < 0)
		disconnect(d);
}

static int reconnect(struct dialler *d)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = path_run(DIAL_SOCKET);

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	d->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd < 0)
		return -errno;
	int r = connect(d->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	if (r >= 0) {
		d->io = (struct poller_source){
			.fd = d->fd, .events = EPOLLIN, .on_io = on_answer, .userdata = d};
		r = poller_add(&d->io);
		if (r < 0)
			d->io.fd = -1;
	}
	if (r < 0)
		disconnect(d);
	return r;
}

/* A connection that maildial has closed is noticed here at the latest. */
static int request_send(struct dialler *d, const struct dial_request *request)
{
	for (bool again = false;; again = true) {
		int r = d->fd < 0 ? reconnect(d) : 0;

		if (r < 0)
			return r;
		if (send(d->fd, request, sizeof(*request), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
		r = -errno;
		if (r == -EAGAIN)
			return r;
		disconnect(d);
		if (again)
			return r;
	}
}

int dial_start(struct dialler *d, struct dial *wish, enum dial_kind kind,
	const struct endpoint *source, const struct endpoint *destination, uint32_t mark)
{
	struct dial_request request = {.number = d->number + 1, .kind = kind, .mark = mark};
	socklen_t len;

	if (d->pending >= DIAL_PENDING_MAX)
		return -EBUSY;
	if (!endpoint_sockaddr(source->ip, source->port, &request.source, &len) ||
		!endpoint_sockaddr(destination->ip, destination->port, &request.destination, &len))
		return -EINVAL;
	if (request.number == 0)
		request.number = 1;
	int r = request_send(d, &request);
	if (r < 0)
		return r;
	d->number = wish->number = request.number;
	wish->previous = NULL;
	wish->next = d->first;
	if (d->first)
		d->first->previous = wish;
	d->first = wish;
	d->pending++;
	return 0;
}

void dial_stop(struct dialler *d, struct dial *wish)
{
	if (wish->number)
		wish_remove(d, wish);
}

static int on_beat(sd_event_source *timer, uint64_t usec, void *userdata)
{
	struct dialler *d = userdata;
	struct dial_request beat = {.kind = DIAL_BEAT};
	int r = request_send(d, &beat);

	(void)usec;
	if (r < 0 && !d->lost)
		log_warning("maildial does not take the beat: %s", strerror(-r));
	else if (r >= 0 && d->lost)
		log_info("maildial takes the beat again");
	d->lost = r < 0;
	sd_event_source_set_time_relative(timer, DIAL_BEAT_MS * 1000ull);
	return sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

int dialler_start(struct dialler *d, sd_event *event)
{
	*d = (struct dialler){.event = event, .fd = -1, .io.fd = -1};
	return sd_event_add_time_relative(event, &d->timer, CLOCK_MONOTONIC, 0, 0, on_beat, d);
}

void dialler_stop(struct dialler *d)
{
	d->timer = sd_event_source_disable_unref(d->timer);
	if (d->event)
		disconnect(d);
}
