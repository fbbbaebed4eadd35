/*
 * maild: the transparent SMTP checkpoint.
 *
 *	maild [--listen ADDRESS:PORT] [--upstream ADDRESS:PORT]
 *
 * Both options are for use by hand: systemd passes the listeners, and where a session goes to is
 * what its client dialled.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "lib/cleanup.h"
#include "lib/config.h"
#include "lib/control.h"
#include "lib/log.h"
#include "lib/path.h"
#include "mail/listener.h"

struct maild {
	struct mail_shared shared;
	struct listener listener;
	struct dial_beat beat;
	sd_varlink_server *control;
	bool has_listen;
	struct endpoint listen;
};

static int status(void *ctx, sd_json_variant **ret)
{
	const struct mail_shared *m = &((struct maild *)ctx)->shared;

	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_UNSIGNED("sessions", m->sessions),
		SD_JSON_BUILD_PAIR_UNSIGNED("sessions_total", m->count.sessions),
		SD_JSON_BUILD_PAIR_UNSIGNED("messages", m->count.messages),
		SD_JSON_BUILD_PAIR_UNSIGNED("accepted", m->count.accepted),
		SD_JSON_BUILD_PAIR_UNSIGNED("refused", m->count.refused),
		SD_JSON_BUILD_PAIR_UNSIGNED("deferred", m->count.deferred),
		SD_JSON_BUILD_PAIR_UNSIGNED("aborted", m->count.aborted),
		SD_JSON_BUILD_PAIR_UNSIGNED("spool_bytes", m->pool.used_bytes),
		SD_JSON_BUILD_PAIR_UNSIGNED("events_lost", eve_lost(m->eve)));
}

static int check(void *ctx, sd_json_variant *config, char **ret_why)
{
	struct settings unused;

	(void)ctx;
	return settings_parse(config, &unused, ret_why);
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
	return settings_parse(config, &d->shared.settings, ret_why);
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
	int r = reload(d, &why);
	if (r == -ENOENT) {
		log_info("no configuration yet, using the defaults");
		return 0;
	}
	if (r < 0)
		log_error("%s", why ? why : strerror(-r));
	return r;
}

static int on_turn(sd_event_source *post, void *userdata)
{
	(void)post;
	eve_flush(userdata);
	return 0;
}

static int start(struct maild *d)
{
	struct mail_shared *m = &d->shared;
	const char *step;
	int r;

	m->pool.max_bytes = spool_pool_default();
	if ((step = "event loop", r = sd_event_default(&m->event)) >= 0 &&
		(step = "signals", r = sd_event_set_signal_exit(m->event, true)) >= 0 &&
		(step = "watchdog", r = sd_event_set_watchdog(m->event, true)) >= 0 &&
		(step = "configuration", r = configure(d)) >= 0 &&
		(step = "event log", r = eve_open(path_data("log/maild"), &m->eve)) >= 0 &&
		(step = "event log", r = sd_event_add_post(m->event, NULL, on_turn, m->eve)) >= 0 &&
		(step = "control socket",
			r = control_new(m->event, &control_ops, d, &d->control)) >= 0 &&
		(step = "listener", r = listener_open(&d->listener, m,
					    d->has_listen ? &d->listen : NULL)) >= 0 &&
		(step = "beat", r = dial_beat_start(&d->beat, m->event)) >= 0)
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
	static struct maild d = {.listener.reserve = -1};

	if (options(&d, argc, argv) < 0)
		return usage();
	int r = start(&d);
	if (r >= 0) {
		sd_notify(0, "READY=1");
		r = sd_event_loop(d.shared.event);
		sd_notify(0, "STOPPING=1");
	}
	dial_beat_stop(&d.beat);
	listener_close(&d.listener);
	sd_varlink_server_unref(d.control);
	eve_free(d.shared.eve);
	sd_event_unref(d.shared.event);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
