/*
 * maildial: opens the sockets that maild must not be able to open itself.
 *
 * Story: maild calls Dial with the addresses of a client and of the server it meant; back comes a
 * socket that is bound to the client's address and port and is connecting to the server. Beat
 * renews the dead-man's switch (lib/mark.h): when it stops, mail is bridged past maild.
 *
 * This process has CAP_NET_ADMIN and reads nothing from the network. It refuses every destination
 * port but SMTP's, so that a maild taken over cannot be a general proxy with borrowed addresses.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "lib/cleanup.h"
#include "lib/control.h"
#include "lib/log.h"
#include "lib/mark.h"
#include "lib/nftset.h"
#include "mail/envelope.h"

struct maildial {
	struct nftset *alive; /* NULL: not opened yet */
	int alive_error;      /* the last one, told once */
	uint64_t dialled, failed, beats;
};

struct dial_call {
	const char *source, *destination;
	uint16_t source_port, destination_port;
};

static int be_transparent(int fd, int family)
{
	int on = 1;
	int r = family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on))
				  : setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof(on));

	if (r < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	return 0;
}

/* The client's own port, or any when the kernel cannot give that one: the address matters more. */
static int bind_as(int fd, const char *ip, uint16_t port)
{
	struct sockaddr_storage address;
	socklen_t len;

	endpoint_sockaddr(ip, port, &address, &len);
	if (bind(fd, (struct sockaddr *)&address, len) == 0)
		return 0;
	if (errno != EADDRINUSE && errno != EACCES)
		return -errno;
	endpoint_sockaddr(ip, 0, &address, &len);
	return bind(fd, (struct sockaddr *)&address, len) < 0 ? -errno : 0;
}

/* A connecting socket, or -errno. */
static int connect_as(const struct dial_call *call, uint16_t source_port)
{
	struct sockaddr_storage to, from;
	socklen_t to_len, from_len;
	int family = endpoint_sockaddr(call->destination, call->destination_port, &to, &to_len);

	if (family == 0 || endpoint_sockaddr(call->source, source_port, &from, &from_len) != family)
		return -EINVAL;
	_cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int r = be_transparent(fd, family);
	if (r == 0)
		r = bind_as(fd, call->source, source_port);
	if (r < 0)
		return r;
	if (connect(fd, (struct sockaddr *)&to, to_len) < 0 && errno != EINPROGRESS)
		return -errno;
	return take_fd(&fd);
}

static int on_dial(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	static const sd_json_dispatch_field rows[] = {
		{"source", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
			offsetof(struct dial_call, source), SD_JSON_MANDATORY},
		{"source_port", SD_JSON_VARIANT_UNSIGNED, sd_json_dispatch_uint16,
			offsetof(struct dial_call, source_port), SD_JSON_MANDATORY},
		{"destination", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
			offsetof(struct dial_call, destination), SD_JSON_MANDATORY},
		{"destination_port", SD_JSON_VARIANT_UNSIGNED, sd_json_dispatch_uint16,
			offsetof(struct dial_call, destination_port), SD_JSON_MANDATORY},
		{NULL, 0, NULL, 0, 0},
	};
	struct maildial *d = userdata;
	struct dial_call call = {0};
	int r = sd_varlink_dispatch(link, parameters, rows, &call);

	(void)flags;
	if (r != 0)
		return r;
	if (call.destination_port != SMTP_PORT)
		return sd_varlink_error_invalid_parameter_name(link, "destination_port");
	int fd = connect_as(&call, call.source_port);
	/* The 4-tuple is still in the kernel, from a session that has just ended. */
	if (fd == -EADDRNOTAVAIL || fd == -EADDRINUSE)
		fd = connect_as(&call, 0);
	d->dialled += fd >= 0;
	d->failed += fd < 0;
	if (fd < 0)
		return sd_varlink_error_errno(link, fd);
	r = sd_varlink_push_fd(link, fd);
	if (r < 0) {
		close(fd);
		return sd_varlink_error_errno(link, r);
	}
	return sd_varlink_reply(link, NULL);
}

static int alive_renew(struct maildial *d)
{
	uint16_t key = htons(SMTP_PORT);
	int r = 0;

	if (!d->alive)
		r = nftset_open(ALIVE_MAIL_FAMILY, ALIVE_MAIL_TABLE, ALIVE_MAIL_SET, &d->alive);
	return r < 0 ? r : nftset_renew(d->alive, &key, 1, ALIVE_MAIL_MS);
}

static int on_beat(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	struct maildial *d = userdata;
	int r = alive_renew(d);

	d->beats++;
	(void)parameters;
	if (r < 0 && r != d->alive_error)
		log_warning("set %s %s: %s", ALIVE_MAIL_TABLE, ALIVE_MAIL_SET, strerror(-r));
	else if (r >= 0 && d->alive_error < 0)
		log_info("set %s %s: renewed again", ALIVE_MAIL_TABLE, ALIVE_MAIL_SET);
	d->alive_error = r < 0 ? r : 0;
	return flags & SD_VARLINK_METHOD_ONEWAY ? 0 : sd_varlink_reply(link, NULL);
}

static int status(void *ctx, sd_json_variant **ret)
{
	const struct maildial *d = ctx;

	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_UNSIGNED("dialled", d->dialled),
		SD_JSON_BUILD_PAIR_UNSIGNED("failed", d->failed),
		SD_JSON_BUILD_PAIR_UNSIGNED("beats", d->beats),
		SD_JSON_BUILD_PAIR_BOOLEAN("alive", d->beats > 0 && d->alive_error == 0));
}

static const struct control_ops control_ops = {.daemon = "maildial", .status = status};

static int start(struct maildial *d, sd_event **ret_event, sd_varlink_server **ret_control,
	sd_varlink_server **ret_server)
{
	int r = sd_event_default(ret_event);

	if (r < 0 || (r = sd_event_set_signal_exit(*ret_event, true)) < 0 ||
		(r = sd_event_set_watchdog(*ret_event, true)) < 0 ||
		(r = control_new(*ret_event, &control_ops, d, ret_control)) < 0 ||
		(r = control_listen(*ret_event, "dial", d, ret_server)) < 0)
		return r;
	return sd_varlink_server_bind_method_many(*ret_server, "io.sekisho.MailDial.Dial", on_dial,
		"io.sekisho.MailDial.Beat", on_beat);
}

int main(void)
{
	struct maildial d = {0};
	sd_event *event = NULL;
	sd_varlink_server *control = NULL, *server = NULL;
	int r = start(&d, &event, &control, &server);

	if (r >= 0) {
		sd_notify(0, "READY=1");
		r = sd_event_loop(event);
	}
	if (r < 0)
		log_error("maildial: %s", strerror(-r));
	sd_varlink_server_unref(server);
	sd_varlink_server_unref(control);
	nftset_free(d.alive);
	sd_event_unref(event);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
