#include "lib/control.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/path.h"

/* One a process, as its name says; the servers' userdata is the room's own context. */
static struct {
	const struct control_ops *ops;
	time_t start;
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
	int r = control.ops->reload ? control.ops->reload(userdata, &why) : 0;
	return r < 0 ? reply_why(link, r, why) : sd_varlink_reply(link, NULL);
}

static int listen_on(sd_varlink_server *server, const char *fd_name, const char *socket_name)
{
	_cleanup_free_ char *file = NULL;
	int fd;

	if (control_sockets(fd_name, &fd, 1) == 1)
		return sd_varlink_server_listen_fd(server, fd);
	if (asprintf(&file, "%s.varlink", socket_name) < 0)
		return -ENOMEM;
	const char *path = path_run(file);
	unlink(path);
	return sd_varlink_server_listen_address(server, path, 0600);
}

static int allow_fds(sd_varlink_server *server, sd_varlink *link, void *userdata)
{
	(void)server;
	(void)userdata;
	int r = sd_varlink_set_allow_fd_passing_input(link, true);
	return r < 0 ? r : sd_varlink_set_allow_fd_passing_output(link, true);
}

static int server_new(sd_event *event, const char *fd_name, const char *socket_name, void *userdata,
	sd_varlink_server **ret)
{
	_cleanup_(sd_varlink_server_unrefp) sd_varlink_server *server = NULL;
	int r = sd_varlink_server_new(&server, SD_VARLINK_SERVER_INHERIT_USERDATA);

	if (r < 0)
		return r;
	sd_varlink_server_set_userdata(server, userdata);
	r = sd_varlink_server_bind_connect(server, allow_fds);
	if (r < 0)
		return r;
	r = listen_on(server, fd_name, socket_name);
	if (r < 0)
		return r;
	r = sd_varlink_server_attach_event(server, event, SD_EVENT_PRIORITY_NORMAL);
	if (r < 0)
		return r;
	*ret = take_ptr(server);
	return 0;
}

int control_new(sd_event *event, const struct control_ops *ops, void *ctx, sd_varlink_server **ret)
{
	control.ops = ops;
	control.start = time(NULL);
	int r = server_new(event, "control", ops->daemon, ctx, ret);
	if (r < 0)
		return r;
	return sd_varlink_server_bind_method_many(*ret, "io.sekisho.Daemon.Status", on_status,
		"io.sekisho.Daemon.Check", on_check, "io.sekisho.Daemon.Reload", on_reload);
}

int control_listen(sd_event *event, const char *name, void *ctx, sd_varlink_server **ret)
{
	return server_new(event, name, name, ctx, ret);
}
