#include "update/engine.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-varlink.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/path.h"

struct health {
	bool answers;
	uint64_t uptime_s;
	char database[64]; /* "" when it has none */
};

static int refuse(
	char **ret_why, int error, const char *daemon, const char *verb, const char *reason)
{
	if (asprintf(ret_why, "%s %s: %s", daemon, verb, reason) < 0)
		*ret_why = NULL;
	return error;
}

static int connect_to(const char *daemon, unsigned wait_s, sd_varlink **ret)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.varlink", daemon);
	int r = sd_varlink_connect_address(ret, path_run(name));
	return r < 0 ? r : sd_varlink_set_relative_timeout(*ret, wait_s * 1000000ull);
}

static void health_read(const char *daemon, struct health *ret)
{
	_cleanup_(sd_varlink_close_unrefp) sd_varlink *link = NULL;
	sd_json_variant *reply = NULL;
	const char *error = NULL;

	*ret = (struct health){0};
	if (connect_to(daemon, ENGINE_STATUS_S, &link) < 0 ||
		sd_varlink_call(link, "io.sekisho.Daemon.Status", NULL, &reply, &error) < 0 ||
		error)
		return;
	sd_json_variant *status = sd_json_variant_by_key(reply, "status"),
			*uptime = sd_json_variant_by_key(status, "uptime_s"),
			*database = sd_json_variant_by_key(status, "database");
	ret->answers = status != NULL;
	if (uptime && sd_json_variant_is_unsigned(uptime))
		ret->uptime_s = sd_json_variant_unsigned(uptime);
	if (database && sd_json_variant_is_string(database))
		snprintf(ret->database, sizeof(ret->database), "%s",
			sd_json_variant_string(database));
}

static int health_check(
	const char *daemon, const char *id, const struct health *before, char **ret_why)
{
	struct health after;

	usleep(ENGINE_HEALTH_MS * 1000);
	health_read(daemon, &after);
	if (!after.answers)
		return refuse(
			ret_why, -ESTALE, daemon, "does not answer", "after it has loaded this");
	if (before->answers && after.uptime_s < before->uptime_s)
		return refuse(
			ret_why, -ESTALE, daemon, "was started anew", "after it has loaded this");
	if (after.database[0] && *id && strcmp(after.database, id) != 0)
		return refuse(ret_why, -ESTALE, daemon, "keeps the old", after.database);
	return 0;
}

int engine_reload(const char *daemon, const char *id, char **ret_why)
{
	_cleanup_(sd_varlink_close_unrefp) sd_varlink *link = NULL;
	sd_json_variant *reply = NULL;
	const char *error = NULL;
	struct health before;

	int r = connect_to(daemon, ENGINE_RELOAD_S, &link);
	if (r == -ENOENT || r == -ECONNREFUSED) {
		log_info("%s is not running: it loads this when it starts", daemon);
		return 0;
	}
	if (r < 0)
		return r;
	health_read(daemon, &before);
	r = sd_varlink_call(link, "io.sekisho.Daemon.Reload", NULL, &reply, &error);
	if (r >= 0 && !error)
		return health_check(daemon, id, &before, ret_why);
	/* A connection that breaks is an engine that died of it. */
	sd_json_variant *why = sd_json_variant_by_key(reply, "why");
	return refuse(ret_why, -EBADMSG, daemon, "keeps the old",
		r < 0                                   ? strerror(-r)
		: why && sd_json_variant_is_string(why) ? sd_json_variant_string(why)
							: error);
}
