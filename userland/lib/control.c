#include "lib/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/path.h"

/* One a process, as its name says; the servers' userdata is the room's own context. */
static struct {
	const struct control_ops *ops;
	time_t start;
	sd_varlink_server *server[ROLES]; /* one a role; none for ROLE_NONE */
} control;

int control_sockets(const char *name, int *fds, int max)
{
	char **names = NULL;
	int found = 0;
	int n = sd_listen_fds_with_names(0, &names);

	for (int i = 0; i < n; i++) {
		if (found < max && strcmp(names[i], name) == 0)
			fds[found++] = SD_LISTEN_FDS_START + i;
		free(names[i]);
	}
	free(names);
	return found;
}

static int reply_why(sd_varlink *link, int r, const char *why)
{
	return sd_varlink_errorbo(
		link, CONTROL_INVALID, SD_JSON_BUILD_PAIR_STRING("why", why ? why : strerror(-r)));
}

static int on_status(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *status = NULL;
	int r = control.ops->status(userdata, &status);

	(void)parameters;
	(void)flags;
	if (r < 0)
		return reply_why(link, r, NULL);
	r = sd_json_variant_set_field_string(&status, "daemon", control.ops->daemon);
	if (r >= 0)
		r = sd_json_variant_set_field_unsigned(
			&status, "uptime_s", (uint64_t)(time(NULL) - control.start));
	if (r < 0)
		return reply_why(link, r, NULL);
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("status", status));
}

static int on_check(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_free_ char *why = NULL;
	sd_json_variant *config = sd_json_variant_by_key(parameters, "config");

	(void)flags;
	if (!config || !sd_json_variant_is_object(config))
		return sd_varlink_error_invalid_parameter_name(link, "config");
	int r = control.ops->check ? control.ops->check(userdata, config, &why) : 0;
	return r < 0 ? reply_why(link, r, why) : sd_varlink_reply(link, NULL);
}

static int on_reload(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_free_ char *why = NULL;

	(void)parameters;
	(void)flags;
	if (control.ops->reload_begin) {
		control.ops->reload_begin(userdata, link);
		return 0;
	}
	int r = control.ops->reload ? control.ops->reload(userdata, &why) : 0;
	return control_reloaded(link, r, why);
}

int control_reloaded(sd_varlink *link, int r, const char *why)
{
	return r < 0 ? reply_why(link, r, why) : sd_varlink_reply(link, NULL);
}

/* The socket of systemd's with this name, or one of our own; owned by the caller. */
static int socket_open(const char *fd_name, const char *socket_name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (control_sockets(fd_name, &fd, 1) == 1)
		/* systemd passes it as it is; who accepts must not wait for a peer that has gone.
		 */
		return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ? -errno : fd;
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.varlink", path_run(""),
		socket_name);
	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	unlink(address.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mode_t before = umask(0177);
	bool bound = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	umask(before);
	if (!bound || listen(fd, SOMAXCONN) < 0) {
		int r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int allow_fds(sd_varlink_server *server, sd_varlink *link, void *userdata)
{
	(void)server;
	(void)userdata;
	int r = sd_varlink_set_allow_fd_passing_input(link, true);
	return r < 0 ? r : sd_varlink_set_allow_fd_passing_output(link, true);
}

static int server_new(sd_event *event, void *userdata, sd_varlink_server **ret)
{
	_cleanup_(sd_varlink_server_unrefp) sd_varlink_server *server = NULL;
	int r = sd_varlink_server_new(&server, SD_VARLINK_SERVER_INHERIT_USERDATA);

	if (r < 0)
		return r;
	sd_varlink_server_set_userdata(server, userdata);
	r = sd_varlink_server_bind_connect(server, allow_fds);
	if (r < 0)
		return r;
	r = sd_varlink_server_attach_event(server, event, SD_EVENT_PRIORITY_NORMAL);
	if (r < 0)
		return r;
	*ret = take_ptr(server);
	return 0;
}

/* Gives a connection to the server of its peer's role. */
static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	sd_varlink *link = NULL;
	_cleanup_close_ int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)source;
	(void)revents;
	(void)userdata;
	if (peer < 0)
		return 0; /* gone again */
	sd_varlink_server *server = control.server[role_of_peer(peer)];
	/* Over the limit or of no role: closing is the answer. */
	if (!server || sd_varlink_server_add_connection(server, peer, &link) < 0)
		return 0;
	(void)take_fd(&peer);
	allow_fds(server, link, NULL);
	return 0;
}

static int listen_on(sd_event *event, const char *daemon)
{
	int fd = socket_open("control", daemon);
	sd_event_source *source = NULL;

	if (fd < 0)
		return fd;
	int r = sd_event_add_io(event, &source, fd, EPOLLIN, on_connection, NULL);
	if (r >= 0)
		r = sd_event_source_set_floating(source, true);
	sd_event_source_unref(source);
	if (r < 0)
		close(fd);
	return r;
}

int control_allow(sd_varlink_server *server, enum role least, const char *method,
	sd_varlink_method_t method_fn)
{
	(void)server; /* one of control.server: there is one control socket a process */
	for (enum role role = least; role < ROLES; role++) {
		int r = sd_varlink_server_bind_method(control.server[role], method, method_fn);
		if (r < 0)
			return r;
	}
	return 0;
}

int control_on_disconnect(sd_varlink_server *server, sd_varlink_disconnect_t disconnect)
{
	(void)server;
	for (enum role role = ROLE_AUDITOR; role < ROLES; role++) {
		int r = sd_varlink_server_bind_disconnect(control.server[role], disconnect);
		if (r < 0)
			return r;
	}
	return 0;
}

int control_new(sd_event *event, const struct control_ops *ops, void *ctx, sd_varlink_server **ret)
{
	int r = 0;

	role_init();
	control.ops = ops;
	control.start = time(NULL);
	for (enum role role = ROLE_AUDITOR; role < ROLES && r >= 0; role++) {
		r = server_new(event, ctx, &control.server[role]);
		if (r >= 0)
			r = sd_varlink_server_set_connections_max(
				control.server[role], CONTROL_CONNECTIONS);
	}
	if (r < 0)
		return r;
	sd_varlink_server *server = control.server[ROLE_ADMIN];
	r = control_allow(server, ROLE_AUDITOR, "io.sekisho.Daemon.Status", on_status);
	if (r >= 0)
		r = sd_varlink_server_bind_method_many(server, "io.sekisho.Daemon.Check", on_check,
			"io.sekisho.Daemon.Reload", on_reload);
	if (r >= 0)
		r = listen_on(event, ops->daemon);
	if (r >= 0)
		*ret = sd_varlink_server_ref(server);
	return r;
}

int control_socket(const char *name)
{
	return socket_open(name, name);
}

int control_listen(sd_event *event, const char *name, void *ctx, sd_varlink_server **ret)
{
	_cleanup_(sd_varlink_server_unrefp) sd_varlink_server *server = NULL;
	int r = server_new(event, ctx, &server);

	if (r < 0)
		return r;
	int fd = socket_open(name, name);
	if (fd < 0)
		return fd;
	r = sd_varlink_server_listen_fd(server, fd);
	if (r < 0)
		return r;
	*ret = take_ptr(server);
	return 0;
}
