#include "mailauth/caller.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/control.h"
#include "lib/jsonw.h"
#include "lib/wire.h"

#define ERROR_BYTES 2048

struct caller {
	struct callers *all;
	struct caller *next, *previous;
	struct wire wire;
	sd_event_source *io; /* NULL: it has gone */
	bool is_called;      /* its answer is still to come */
};

static void hang_up(struct caller *c)
{
	c->io = sd_event_source_disable_unref(c->io);
	wire_close(&c->wire);
}

static void caller_free(struct caller *c)
{
	struct callers *all = c->all;

	hang_up(c);
	*(c->previous ? &c->previous->next : &all->first) = c->next;
	if (c->next)
		c->next->previous = c->previous;
	all->count--;
	free(c);
}

/* Goes at once, or with its answer. */
static void caller_lose(struct caller *c)
{
	if (c->is_called)
		hang_up(c);
	else
		caller_free(c);
}

static void call_dispatch(struct caller *c, const char *text)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *call = NULL;
	_cleanup_close_ int fd = take_fd(&c->wire.passed);

	c->is_called = true;
	if (sd_json_parse(text, 0, &call, NULL, NULL) < 0) {
		c->is_called = false;
		caller_free(c);
		return;
	}
	sd_json_variant *method = sd_json_variant_by_key(call, "method");
	const char *name = method ? sd_json_variant_string(method) : NULL;
	if (!name || strcmp(name, c->all->method) != 0)
		caller_error(c, "org.varlink.service.MethodNotFound", "method", name ? name : "");
	else
		c->all->on_call(
			c, sd_json_variant_by_key(call, "parameters"), take_fd(&fd), c->all->ctx);
}

static int on_readable(sd_event_source *io, int fd, uint32_t events, void *userdata)
{
	struct caller *c = userdata;
	char *text;
	int r = wire_receive(&c->wire, &text);

	(void)io;
	(void)fd;
	(void)events;
	if (r < 0 || (r > 0 && c->is_called))
		caller_lose(c);
	else if (r > 0)
		call_dispatch(c, text);
	return 0;
}

static int caller_new(struct callers *all, int fd)
{
	struct caller *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return -ENOMEM;
	}
	c->all = all;
	wire_take(&c->wire, fd);
	c->next = all->first;
	if (c->next)
		c->next->previous = c;
	all->first = c;
	all->count++;
	int r = sd_event_add_io(all->event, &c->io, fd, EPOLLIN, on_readable, c);
	if (r < 0)
		caller_free(c);
	return r;
}

static int on_connection(sd_event_source *io, int listening, uint32_t events, void *userdata)
{
	struct callers *all = userdata;
	int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)io;
	(void)events;
	if (fd < 0)
		return 0; /* gone again */
	if (all->count < CALLERS_MAX) {
		caller_new(all, fd);
		return 0;
	}
	all->turned_away++;
	close(fd);
	return 0;
}

int callers_listen(struct callers *all, const char *name)
{
	int fd = control_socket(name);

	if (fd < 0)
		return fd;
	int r = sd_event_add_io(all->event, &all->io, fd, EPOLLIN, on_connection, all);
	if (r >= 0)
		r = sd_event_source_set_io_fd_own(all->io, true);
	else
		close(fd);
	return r;
}

void callers_close(struct callers *all)
{
	all->io = sd_event_source_disable_unref(all->io);
	while (all->first)
		caller_free(all->first);
}

void caller_reply(struct caller *c, struct span text)
{
	c->is_called = false;
	if (!c->io || wire_send(&c->wire, text, -1) < 0)
		caller_free(c);
}

void caller_error(struct caller *c, const char *error, const char *key, const char *text)
{
	char buf[ERROR_BYTES];
	struct jsonw w;

	jsonw_init(&w, buf, sizeof(buf));
	jsonw_object(&w, NULL);
	jsonw_str(&w, "error", error);
	jsonw_object(&w, "parameters");
	if (key)
		jsonw_span(&w, key, span_take(span_str(text), ERROR_BYTES / 16));
	jsonw_end(&w);
	jsonw_end(&w);
	caller_reply(c, jsonw_done(&w));
}
