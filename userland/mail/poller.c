#include "mail/poller.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct {
	int fd;
	sd_event_source *io;
	struct epoll_event batch[POLLER_BATCH];
	int count; /* of the batch under way */
} poller = {.fd = -1};

static int on_ready(sd_event_source *io, int fd, uint32_t events, void *userdata)
{
	(void)io;
	(void)events;
	(void)userdata;
	for (int round = 0; round < POLLER_ROUNDS; round++) {
		poller.count = epoll_wait(fd, poller.batch, POLLER_BATCH, 0);
		if (poller.count <= 0)
			break;
		for (int i = 0; i < poller.count; i++) {
			struct poller_source *s = poller.batch[i].data.ptr;
			if (s)
				s->on_io(s->userdata, poller.batch[i].events);
		}
	}
	poller.count = 0;
	return 0;
}

int poller_start(sd_event *event)
{
	poller.fd = epoll_create1(EPOLL_CLOEXEC);
	if (poller.fd < 0)
		return -errno;
	return sd_event_add_io(event, &poller.io, poller.fd, EPOLLIN, on_ready, NULL);
}

void poller_stop(void)
{
	poller.io = sd_event_source_disable_unref(poller.io);
	if (poller.fd >= 0)
		close(poller.fd);
	poller.fd = -1;
}

static int control(struct poller_source *s, int operation)
{
	struct epoll_event e = {.events = s->events, .data.ptr = s};

	return epoll_ctl(poller.fd, operation, s->fd, &e) < 0 ? -errno : 0;
}

int poller_add(struct poller_source *s)
{
	return control(s, EPOLL_CTL_ADD);
}

void poller_change(struct poller_source *s, uint32_t events)
{
	if (s->fd < 0 || s->events == events)
		return;
	s->events = events;
	control(s, EPOLL_CTL_MOD);
}

void poller_remove(struct poller_source *s)
{
	if (s->fd < 0)
		return;
	control(s, EPOLL_CTL_DEL);
	s->fd = -1;
	for (int i = 0; i < poller.count; i++)
		if (poller.batch[i].data.ptr == s)
			poller.batch[i].data.ptr = NULL;
}
