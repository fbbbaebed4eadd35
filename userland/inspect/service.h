/*
 * service: inspectd on live queues.
 *
 * As a daemon it takes settings from the rendered configuration and rules from the signature folder
 * (those of the image until an update has brought some), answers on the control socket and keeps
 * the heartbeat. By hand
 * (-q) it serves the queues it is told with the rules it is given, without control socket and
 * heartbeat.
 *
 * Reload (a method of the control socket, or SIGHUP) loads a new generation beside the running one
 * and publishes it; on failure the old one stays. More queues get their workers at once; fewer
 * leave theirs idle until the next start. Stop: the heartbeat first, then, when the kernel has
 * stopped queueing, the workers.
 */
#pragma once

#include "inspect/rule.h"
#include "inspect/settings.h"

struct service_options {
	bool by_hand;
	uint16_t first_queue;
	unsigned queues;          /* by hand */
	const char *const *rules; /* patterns, by hand */
	size_t rules_n;
	const char *config; /* file, by hand; or NULL */
	const char *log_dir;
	const char *cache_dir; /* by hand; or NULL */
	bool no_bypass;
	const char *const *settings; /* --set */
	size_t settings_n;
};

/* Until SIGTERM or SIGINT. 0 or -errno; what is wrong has been logged. */
int service_run(const struct service_options *o);

/* Settings of a file, or of the rendered configuration when file is NULL. Logs what is wrong. */
int settings_load(const char *file, struct app *names, struct settings *s, char **ret_why);
