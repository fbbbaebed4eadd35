/*
 * configd: keeps the configuration and makes the box follow it.
 *
 * At start it loads startup (or what is left of it), applies everything, tells systemd it is ready,
 * and then serves the command line over its control socket. It reads nothing from the wire.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "config/applier_nftables.h"
#include "config/applier_system.h"
#include "config/commit.h"
#include "config/daemon.h"
#include "config/link.h"
#include "config/lists.h"
#include "config/service.h"
#include "lib/cleanup.h"
#include "lib/control.h"
#include "lib/log.h"
#include "lib/path.h"

#define MINUTE_US 60000000ULL
#define LEASES "/run/systemd/netif/links" /* state files of networkd */

static sd_event *event;
static sd_event_source *lease_watch;

static int on_lease(sd_event_source *source, const struct inotify_event *i, void *userdata)
{
	_cleanup_free_ char *why = NULL;

	(void)source;
	(void)i;
	(void)userdata;
	/* The one daemon that keeps a resolver open; the others read the file when they look up a
	 * name. */
	if (applier_system_leases_changed() &&
		daemon_call("mailauthd", "io.sekisho.Daemon.Reload", NULL, &why) < 0)
		log_warning("mailauthd does not take the new resolvers: %s", why ? why : "");
	return 0;
}

/* Schedules begin and end with a minute; should the clock be set, the next turn is right again. */
static uint64_t until_next_minute(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return MINUTE_US - (uint64_t)(now.tv_sec % 60) * 1000000 - (uint64_t)now.tv_nsec / 1000;
}

static int on_minute(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct service *s = userdata;

	(void)usec;
	applier_nftables_minute_passed();
	lists_watch(event);
	lists_tell(s->audit.eve);
	int r = sd_event_source_set_time_relative(source, until_next_minute());
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void links_changed(void)
{
	applier_nftables_links_changed();
	/* networkd makes the folder, perhaps after configd started. */
	if (!lease_watch && sd_event_add_inotify(event, &lease_watch, LEASES,
				    IN_MOVED_TO | IN_CLOSE_WRITE, on_lease, NULL) >= 0)
		on_lease(NULL, NULL, NULL);
}

static int status(void *ctx, sd_json_variant **ret)
{
	const struct service *s = ctx;

	return sd_json_buildo(ret,
		SD_JSON_BUILD_PAIR_STRING("configuration", store_origin_names[s->now.origin]),
		SD_JSON_BUILD_PAIR_UNSIGNED("commits", s->generation),
		SD_JSON_BUILD_PAIR_BOOLEAN("password_set", service_has_password(s)));
}

static const struct control_ops ops = {.daemon = "configd", .status = status};

static int start(struct service *s)
{
	sd_varlink_server *server = NULL;
	int r = schema_load(path_share("yang/sekisho.yang"), &s->schema);

	if (r < 0) {
		log_error("the schema %s is unusable: %s", path_share("yang/sekisho.yang"),
			ly_last_logmsg());
		return r;
	}
	s->event = event;
	audit_open(&s->audit);
	r = store_load(&s->schema, &s->now);
	if (r < 0) {
		log_error("there is no usable configuration: %s", strerror(-r));
		return r;
	}
	commit_start(s->now.running);
	service_resume(s);
	r = link_watch(event, links_changed);
	if (r < 0)
		log_warning("links are not watched: %s", strerror(-r));
	links_changed();
	lists_watch(event);
	r = sd_event_add_time_relative(
		event, NULL, CLOCK_MONOTONIC, until_next_minute(), 100000, on_minute, s);
	if (r < 0)
		log_warning("schedules are not followed: %s", strerror(-r));
	r = control_new(event, &ops, s, &server);
	if (r >= 0)
		r = service_bind(s, server);
	if (r < 0)
		log_error("the control socket: %s", strerror(-r));
	return r;
}

int main(void)
{
	static struct service service;

	umask(022);
	signal(SIGPIPE, SIG_IGN);
	if (sd_event_default(&event) < 0)
		return EXIT_FAILURE;
	sd_event_set_signal_exit(event, true);
	sd_event_set_watchdog(event, true);
	int r = start(&service);
	if (r >= 0) {
		sd_notify(0, "READY=1");
		r = sd_event_loop(event);
	}
	service_fini(&service);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
