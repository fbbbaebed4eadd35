/*
 * poller: the sockets of all sessions behind one source of the event loop.
 *
 * sd_event dispatches one source a turn and asks the kernel about every ready one each time: with
 * thousands ready at once that is quadratic. Here a turn takes POLLER_BATCH ready sockets and calls
 * them one after the other, and looks again for those that have become ready meanwhile,
 * POLLER_ROUNDS times: then timers and the control socket have their turn. A source that is removed
 * while a batch is under way, by whomever, is not called any more.
 *
 * One a process. Owns: the epoll descriptor; the sources are their users'.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#define POLLER_BATCH 64
#define POLLER_ROUNDS 8

struct poller_source {
	int fd; /* -1: not watched */
	uint32_t events;
	void (*on_io)(void *userdata, uint32_t events);
	void *userdata;
};

/* -errno on failure. */
int poller_start(sd_event *event);
void poller_stop(void);
int poller_add(struct poller_source *s);
void poller_change(struct poller_source *s, uint32_t events);
void poller_remove(struct poller_source *s);
