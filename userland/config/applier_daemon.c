/*
 * applier_daemon: a container of the schema to the daemon that lives by it.
 *
 * prepare is the daemon's Check; apply writes config/<container>.json, without secrets, and calls
 * Reload. A daemon that is not running is no error: it reads the file when it starts. One that
 * refuses to reload fails the commit.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-varlink.h>

#include "config/applier.h"
#include "config/daemon.h"
#include "config/file.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/path.h"

static const struct row {
	const char *container;
	const char *daemon;
} rows[] = {
	{"inspection", "inspectd"},
	{"mail", "maild"},
	{"system", "mailauthd"},
	{"update", "updated"},
};

#define ROWS (sizeof(rows) / sizeof(*rows))

static bool is_same(const struct row *row, const struct snapshot *old, const struct snapshot *new)
{
	return old && sd_json_variant_equal(sd_json_variant_by_key(old->public, row->container),
			      sd_json_variant_by_key(new->public, row->container));
}

static int name_daemon(const struct row *row, char **why)
{
	char *named = NULL;

	if (asprintf(&named, "%s: %s", row->daemon, *why ? *why : "refused") < 0)
		return -ENOMEM;
	free(*why);
	*why = named;
	return -EINVAL;
}

static int prepare(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	for (size_t i = 0; i < ROWS; i++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL;
		if (is_same(&rows[i], old, new))
			continue;
		int r = sd_json_buildo(&parameters,
			SD_JSON_BUILD_PAIR_VARIANT(
				"config", sd_json_variant_by_key(new->public, rows[i].container)));
		if (r >= 0)
			r = daemon_call(
				rows[i].daemon, "io.sekisho.Daemon.Check", parameters, ret_why);
		if (r < 0)
			return name_daemon(&rows[i], ret_why);
	}
	return 0;
}

static int write_config(const struct row *row, const struct snapshot *new)
{
	_cleanup_free_ char *text = NULL;
	char file[64];
	int r = sd_json_variant_format(
		sd_json_variant_by_key(new->public, row->container), SD_JSON_FORMAT_NEWLINE, &text);

	snprintf(file, sizeof(file), "config/%s.json", row->container);
	return r < 0 ? r : file_replace(path_run(file), text, 0644, false);
}

static int apply(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	if (mkdir(path_run("config"), 0755) < 0 && errno != EEXIST)
		return -errno;
	for (size_t i = 0; i < ROWS; i++) {
		if (is_same(&rows[i], old, new))
			continue;
		int r = write_config(&rows[i], new);
		if (r < 0)
			return r;
		if (!old)
			continue;
		r = daemon_call(rows[i].daemon, "io.sekisho.Daemon.Reload", NULL, ret_why);
		if (r < 0)
			return name_daemon(&rows[i], ret_why);
		if (r > 0)
			log_warning("%s does not answer; it reads its configuration when it starts",
				rows[i].daemon);
	}
	return 0;
}

static const char *const containers[] = {"inspection", "mail", "system", "update", NULL};

const struct applier applier_daemon = {
	.name = "daemon",
	.containers = containers,
	.prepare = prepare,
	.apply = apply,
};
