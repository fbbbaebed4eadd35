/*
 * maild: the transparent SMTP checkpoint.
 *
 *	maild [--listen ADDRESS:PORT] [--upstream ADDRESS:PORT]
 *
 * Both options are for use by hand: systemd passes the listeners, and where a session goes to is
 * what its client dialled.
 *
 * At SIGTERM sessions between messages are told 421, those with a message under way have DRAIN_S to
 * end it; clients that connect meanwhile wait in systemd's socket for the next process.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "lib/cleanup.h"
#include "lib/config.h"
#include "lib/control.h"
#include "lib/log.h"
#include "lib/path.h"
#include "mail/certificate.h"
#include "mail/listener.h"
#include "mail/lists.h"
#include "mail/quarantine_control.h"

#define DRAIN_S 20 /* for messages under way when the process is to end */

struct maild {
	struct mail_shared shared; /* first: the control methods of the room take it alone */
	struct listener listener;
	sd_event_source *drain;
	sd_varlink_server *control;
	bool has_listen;
	struct endpoint listen;
};

static int status(void *ctx, sd_json_variant **ret)
{
	const struct mail_shared *m = &((struct maild *)ctx)->shared;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *lists = NULL;
	int r = lists_status(&lists);

	if (r < 0)
		return r;
	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_VARIANT("lists", lists),
		SD_JSON_BUILD_PAIR_UNSIGNED("sessions", m->sessions),
		SD_JSON_BUILD_PAIR_UNSIGNED("sessions_total", m->count.sessions),
		SD_JSON_BUILD_PAIR_UNSIGNED("messages", m->count.messages),
		SD_JSON_BUILD_PAIR_UNSIGNED("accepted", m->count.accepted),
		SD_JSON_BUILD_PAIR_UNSIGNED("refused", m->count.refused),
		SD_JSON_BUILD_PAIR_UNSIGNED("tagged", m->count.tagged),
		SD_JSON_BUILD_PAIR_UNSIGNED("quarantined", m->count.quarantined),
		SD_JSON_BUILD_PAIR_UNSIGNED("deferred", m->count.deferred),
		SD_JSON_BUILD_PAIR_UNSIGNED("aborted", m->count.aborted),
		SD_JSON_BUILD_PAIR_UNSIGNED("turned_away", m->count.turned_away),
		SD_JSON_BUILD_PAIR_UNSIGNED("sources", m->quota.sources),
		SD_JSON_BUILD_PAIR_UNSIGNED("sources_untracked", m->quota.untracked),
		SD_JSON_BUILD_PAIR_UNSIGNED("tls_client", m->count.tls_client),
		SD_JSON_BUILD_PAIR_UNSIGNED("tls_server", m->count.tls_server),
		SD_JSON_BUILD_PAIR_UNSIGNED("tls_failed", m->count.tls_failed),
		SD_JSON_BUILD_PAIR_UNSIGNED("tunnels", m->count.tunnels),
		SD_JSON_BUILD_PAIR_UNSIGNED("certificates", m->tls.count),
		SD_JSON_BUILD_PAIR_UNSIGNED("spool_bytes", m->pool.used_bytes),
		SD_JSON_BUILD_PAIR_UNSIGNED("spool_disk_bytes", m->pool.disk_used_bytes),
		SD_JSON_BUILD_PAIR_UNSIGNED("events_lost", eve_lost(m->eve)));
}

static int check(void *ctx, sd_json_variant *config, char **ret_why)
{
	struct settings unused;

	(void)ctx;
	return settings_parse(config, &unused, ret_why);
}

static void settings_use(struct mail_shared *m)
{
	m->pool.memory_bytes = m->settings.spool_memory_bytes;
	m->pool.disk_max_bytes = m->settings.spool_disk_bytes;
	quarantine_settings(m);
	lists_forget(); /* the rules may name others now */
}

static int reload(void *ctx, char **ret_why)
{
	struct maild *d = ctx;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *config = NULL;
	int r = config_load("mail", &config);

	if (r < 0) {
		if (asprintf(ret_why, "config/mail.json: %s", strerror(-r)) < 0)
			*ret_why = NULL;
		return r;
	}
	r = settings_parse(config, &d->shared.settings, ret_why);
	settings_use(&d->shared);
	return r < 0 ? r : certificate_reload(&d->shared);
}

static const struct control_ops control_ops = {
	.daemon = "maild",
	.status = status,
	.check = check,
	.reload = reload,
};

/* The first configuration. Without one the defaults of the schema hold; a bad one is fatal. */
static int configure(struct maild *d)
{
	_cleanup_free_ char *why = NULL;

	settings_defaults(&d->shared.settings);
	settings_use(&d->shared);
	int r = reload(d, &why);
	if (r == -ENOENT) {
		log_info("no configuration yet, using the defaults");
		return certificate_reload(&d->shared);
	}
	if (r < 0)
		log_error("%s", why ? why : strerror(-r));
	return r;
}

static int on_turn(sd_event_source *post, void *userdata)
{
	struct mail_shared *m = userdata;

	(void)post;
	eve_flush(m->eve);
	if (m->draining && m->sessions == 0)
		sd_event_exit(m->event, 0);
	return 0;
}

static int on_drained(sd_event_source *timer, uint64_t usec, void *userdata)
{
	struct maild *d = userdata;

	(void)timer;
	(void)usec;
	session_drain_all(&d->shared, true);
	return sd_event_exit(d->shared.event, 0);
}

static int on_terminate(
	sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct maild *d = userdata;

	(void)source;
	(void)info;
	if (d->shared.draining)
		return sd_event_exit(d->shared.event, 0);
	sd_notify(0, "STOPPING=1");
	listener_close(&d->listener);
	session_drain_all(&d->shared, false);
	return sd_event_add_time_relative(d->shared.event, &d->drain, CLOCK_MONOTONIC,
		DRAIN_S * 1000000ull, 0, on_drained, d);
}

static int signals(struct maild *d)
{
	sd_event *event = d->shared.event;
	int r = sd_event_add_signal(
		event, NULL, SIGTERM | SD_EVENT_SIGNAL_PROCMASK, on_terminate, d);

	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	return r < 0 ? r
		     : sd_event_add_signal(
			       event, NULL, SIGINT | SD_EVENT_SIGNAL_PROCMASK, on_terminate, d);
}

/* Made by systemd-tmpfiles; by hand here. */
static void folders_make(struct mail_shared *m)
{
	mkdir(path_data("mail"), 0700);
	mkdir(path_data("mail/tls"), 0700);
	m->pool.folder = path_data("mail/spool");
	mkdir(m->pool.folder, 0700);
}

static int start(struct maild *d)
{
	struct mail_shared *m = &d->shared;
	const char *step;
	int r;

	m->pool.max_bytes = spool_pool_default();
	folders_make(m);
	if ((step = "event loop", r = sd_event_default(&m->event)) >= 0 &&
		(step = "signals", r = signals(d)) >= 0 &&
		(step = "poller", r = poller_start(m->event)) >= 0 &&
		(step = "watchdog", r = sd_event_set_watchdog(m->event, true)) >= 0 &&
		(step = "configuration", r = configure(d)) >= 0 &&
		(step = "event log", r = eve_open(path_data("log/maild"), &m->eve)) >= 0 &&
		(step = "event log", r = sd_event_add_post(m->event, NULL, on_turn, m)) >= 0 &&
		(step = "control socket",
			r = control_new(m->event, &control_ops, d, &d->control)) >= 0 &&
		(step = "control methods", r = certificate_methods(d->control)) >= 0 &&
		(step = "quarantine", r = quarantine_start(m, d->control)) >= 0 &&
		(step = "listener", r = listener_open(&d->listener, m,
					    d->has_listen ? &d->listen : NULL)) >= 0 &&
		(step = "beat", r = dialler_start(&m->dialler, m->event)) >= 0)
		return 0;
	log_error("%s: %s", step, strerror(-r));
	return r;
}

static int usage(void)
{
	fputs("usage: maild [--listen ADDRESS:PORT] [--upstream ADDRESS:PORT]\n", stderr);
	return 2;
}

static int options(struct maild *d, int argc, char **argv)
{
	static const struct option rows[] = {
		{"listen", required_argument, NULL, 'l'},
		{"upstream", required_argument, NULL, 'u'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", rows, NULL)) >= 0) {
		if (c == 'l' && endpoint_parse(optarg, &d->listen))
			d->has_listen = true;
		else if (c == 'u' && endpoint_parse(optarg, &d->shared.upstream))
			d->shared.has_upstream = true;
		else
			return -EINVAL;
	}
	return optind == argc ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	static struct maild d = {.listener.reserve = -1, .shared.dialler = {.fd = -1, .io.fd = -1}};

	if (options(&d, argc, argv) < 0)
		return usage();
	int r = start(&d);
	if (r >= 0) {
		sd_notify(0, "READY=1");
		r = sd_event_loop(d.shared.event);
	}
	session_drain_all(&d.shared, true);
	checks_forget();
	lists_forget();
	dialler_stop(&d.shared.dialler);
	sd_event_source_unref(d.drain);
	listener_close(&d.listener);
	poller_stop();
	quota_free(&d.shared.quota);
	tls_free(&d.shared.tls);
	sd_varlink_server_unref(d.control);
	quarantine_stop(&d.shared);
	eve_free(d.shared.eve);
	sd_event_unref(d.shared.event);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
