/*
 * maildial: opens the sockets that maild must not be able to open itself.
 *
 * Story: maild sends the addresses of a client and of the server it meant (dial.h); back comes a
 * socket that is bound to the client's address and port and is connecting to the server. A beat
 * renews the dead-man's switch (lib/mark.h): when it stops, mail is bridged past maild.
 *
 * This process has CAP_NET_ADMIN and reads nothing from the network. It refuses every destination
 * port but SMTP's, so that a maild taken over cannot be a general proxy with borrowed addresses.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "lib/cleanup.h"
#include "lib/control.h"
#include "lib/log.h"
#include "lib/mark.h"
#include "lib/nftcount.h"
#include "lib/nftset.h"
#include "lib/path.h"
#include "mail/dial.h"

#define UNLISTED_MAX 16 /* VLANs in the status */
#define PEERS_MAX 8     /* maild has one connection; a few for restarts */

struct maildial {
	sd_event *event;
	struct nftset *alive; /* NULL: not opened yet */
	bool routed;          /* the set is in the table of mode route */
	int alive_error;      /* the last one, told once */
	unsigned peers;
	uint64_t dialled, failed, beats;
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

static in_port_t *port_of(struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET ? &((struct sockaddr_in *)address)->sin_port
					     : &((struct sockaddr_in6 *)address)->sin6_port;
}

static socklen_t length_of(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET ? sizeof(struct sockaddr_in)
					     : sizeof(struct sockaddr_in6);
}

/* In the VLAN, and by the device, that the client's connection came in. */
static int be_bridged(int fd, uint32_t mark)
{
	char device[IFNAMSIZ] = BRIDGE;
	unsigned vlan = envelope_vlan(mark);

	if (vlan)
		snprintf(device, sizeof(device), BRIDGE ".%u", vlan);
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) < 0)
		return -errno;
	return 0;
}

/* The client's own port, or any when the kernel cannot give that one: the address matters more. */
static int bind_as(int fd, const struct sockaddr_storage *source, bool any_port)
{
	struct sockaddr_storage address = *source;
	socklen_t len = length_of(source);

	if (!any_port && bind(fd, (struct sockaddr *)&address, len) == 0)
		return 0;
	if (!any_port && errno != EADDRINUSE && errno != EACCES)
		return -errno;
	*port_of(&address) = 0;
	return bind(fd, (struct sockaddr *)&address, len) < 0 ? -errno : 0;
}

/* A connecting socket, or -errno. */
static int connect_as(const struct dial_request *q, bool any_port)
{
	const struct sockaddr_storage *to = &q->destination;
	int family = q->source.ss_family, mark = MARK_RELAY;
	_cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	int r = be_transparent(fd, family);
	if (r == 0 && q->kind == DIAL_RELAY &&
		setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		r = -errno;
	if (r == 0 && q->kind == DIAL_TRANSPARENT && q->mark)
		r = be_bridged(fd, q->mark);
	if (r == 0)
		r = bind_as(fd, &q->source, any_port);
	if (r < 0)
		return r;
	if (connect(fd, (const struct sockaddr *)to, length_of(to)) < 0 && errno != EINPROGRESS)
		return -errno;
	return take_fd(&fd);
}

static int dial(struct dial_request *q)
{
	int family = q->destination.ss_family;

	if ((family != AF_INET && family != AF_INET6) || q->source.ss_family != family)
		return -EINVAL;
	if (ntohs(*port_of(&q->destination)) != SMTP_PORT)
		return -EACCES;
	if (q->mark && (!(q->mark & MARK_BRIDGED) || q->mark & ~(MARK_BRIDGED | MARK_VLAN_MASK)))
		return -EINVAL;
	int fd = connect_as(q, q->kind == DIAL_RELAY);
	/* The 4-tuple is still in the kernel, from a session that has just ended. */
	if (fd == -EADDRNOTAVAIL || fd == -EADDRINUSE)
		fd = connect_as(q, true);
	return fd;
}

static void answer(int peer, uint32_t number, int fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct dial_answer a = {.number = number, .error = fd < 0 ? fd : 0};
	struct iovec data = {&a, sizeof(a)};
	struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};

	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	/* A maild that does not read its answers waits in vain: its sessions have a time-out. */
	sendmsg(peer, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int alive_renew(struct maildial *d)
{
	uint16_t key = htons(SMTP_PORT);
	int r = 0;

	if (!d->alive)
		r = nftset_open(d->routed ? ALIVE_MAIL_ROUTE_FAMILY : ALIVE_MAIL_FAMILY,
			ALIVE_MAIL_TABLE, ALIVE_MAIL_SET, &d->alive);
	if (r >= 0)
		r = nftset_renew(d->alive, &key, 1, ALIVE_MAIL_MS);
	if (r == -ENOENT) { /* the next beat looks in the other table */
		nftset_free(d->alive);
		d->alive = NULL;
		d->routed = !d->routed;
	}
	return r;
}

static void beat(struct maildial *d)
{
	int r = alive_renew(d);

	d->beats++;
	if (r < 0 && r != d->alive_error)
		log_warning("set %s %s: %s", ALIVE_MAIL_TABLE, ALIVE_MAIL_SET, strerror(-r));
	else if (r >= 0 && d->alive_error < 0)
		log_info("set %s %s: renewed again", ALIVE_MAIL_TABLE, ALIVE_MAIL_SET);
	d->alive_error = r < 0 ? r : 0;
}

static void request_serve(struct maildial *d, int peer, struct dial_request *q)
{
	if (q->kind == DIAL_BEAT) {
		beat(d);
		return;
	}
	int fd = q->kind <= DIAL_RELAY ? dial(q) : -EINVAL;
	d->dialled += fd >= 0;
	d->failed += fd < 0;
	answer(peer, q->number, fd);
	if (fd >= 0)
		close(fd);
}

static int on_request(sd_event_source *io, int peer, uint32_t events, void *userdata)
{
	struct maildial *d = userdata;
	struct dial_request q;
	ssize_t n;

	(void)events;
	while ((n = recv(peer, &q, sizeof(q), MSG_DONTWAIT | MSG_TRUNC)) == sizeof(q))
		request_serve(d, peer, &q);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	d->peers--; /* gone, or not maild */
	sd_event_source_disable_unref(io);
	return 0;
}

static int on_connection(sd_event_source *io, int listening, uint32_t events, void *userdata)
{
	struct maildial *d = userdata;
	sd_event_source *source = NULL;
	int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)io;
	(void)events;
	if (fd < 0)
		return 0;
	if (d->peers >= PEERS_MAX ||
		sd_event_add_io(d->event, &source, fd, EPOLLIN, on_request, d) < 0) {
		close(fd);
		return 0;
	}
	sd_event_source_set_io_fd_own(source, true);
	d->peers++;
	return 0;
}

/* systemd's socket, or by hand one of our own. */
static int listener_open(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = path_run(DIAL_SOCKET);
	int fd;

	if (control_sockets(DIAL_SOCKET, &fd, 1) == 1)
		return fd;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	mode_t before = umask(0177);
	int r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0
			? -errno
			: 0;
	umask(before);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

/* Mail that passes unread because nobody has listed its VLAN; [] in mode route. */
static int unlisted_vlans(sd_json_variant **ret)
{
	struct nftcount counts[UNLISTED_MAX];
	int r = 0, n = nftcount_read(ALIVE_MAIL_FAMILY, ALIVE_MAIL_TABLE, UNLISTED_VLAN_SET, counts,
			   UNLISTED_MAX);

	for (int i = 0; i < n && r >= 0; i++)
		r = sd_json_variant_append_arraybo(ret,
			SD_JSON_BUILD_PAIR_UNSIGNED("vlan", ntohs(counts[i].key_be)),
			SD_JSON_BUILD_PAIR_UNSIGNED("connections", counts[i].packets));
	return r;
}

static int status(void *ctx, sd_json_variant **ret)
{
	const struct maildial *d = ctx;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *vlans = NULL;
	int r = unlisted_vlans(&vlans);

	if (r < 0)
		return r;
	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_UNSIGNED("dialled", d->dialled),
		SD_JSON_BUILD_PAIR_UNSIGNED("failed", d->failed),
		SD_JSON_BUILD_PAIR_UNSIGNED("beats", d->beats),
		SD_JSON_BUILD_PAIR_BOOLEAN("alive", d->beats > 0 && d->alive_error == 0),
		SD_JSON_BUILD_PAIR_CONDITION(
			vlans != NULL, "unlisted_vlans", SD_JSON_BUILD_VARIANT(vlans)));
}

static const struct control_ops control_ops = {.daemon = "maildial", .status = status};

static int start(struct maildial *d, sd_varlink_server **ret_control)
{
	sd_event_source *io = NULL;
	int r = sd_event_default(&d->event);

	if (r < 0 || (r = sd_event_set_signal_exit(d->event, true)) < 0 ||
		(r = sd_event_set_watchdog(d->event, true)) < 0 ||
		(r = control_new(d->event, &control_ops, d, ret_control)) < 0)
		return r;
	int fd = listener_open();
	r = fd < 0 ? fd : sd_event_add_io(d->event, &io, fd, EPOLLIN, on_connection, d);
	return r < 0 ? r : sd_event_source_set_io_fd_own(io, true);
}

int main(void)
{
	struct maildial d = {0};
	sd_varlink_server *control = NULL;
	int r = start(&d, &control);

	if (r >= 0) {
		sd_notify(0, "READY=1");
		r = sd_event_loop(d.event);
	}
	if (r < 0)
		log_error("maildial: %s", strerror(-r));
	sd_varlink_server_unref(control);
	nftset_free(d.alive);
	sd_event_unref(d.event);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
