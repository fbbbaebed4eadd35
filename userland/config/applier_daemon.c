/*
 * applier_daemon: a container of the schema to the daemons that live by it.
 *
 * prepare is the daemon's Check; apply writes config/<container>.json, without secrets, and calls
 * Reload; probe asks for its Status. A daemon that is not running is no error: it reads the file
 * when it starts. One that refuses to reload fails the commit.
 *
 * Where a container has secrets, config/<container>.secret.json is the same with them, readable by
 * root and the one group of the row. configd may give the file to that group because it is a member
 * of it (SupplementaryGroups= of its unit): it has no CAP_CHOWN.
 */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-varlink.h>

#include "config/applier.h"
#include "config/daemon.h"
#include "config/file.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/path.h"

/* Several daemons may live by one container; its files are those of the first row. */
static const struct row {
	const char *container;
	const char *daemon;
	const char *secret_group; /* NULL: nobody has its secrets */
} rows[] = {
	{"inspection", "inspectd", NULL},
	{"mail", "maild", "sekisho-mail"},
	{"mail", "mailauthd", NULL},
	{"scan", "scand", NULL},
	{"system", "mailauthd", NULL},
	{"update", "updated", "sekisho-fetch"},
};

#define ROWS (sizeof(rows) / sizeof(*rows))

static bool was_there[ROWS]; /* it took the configuration that is being committed */

static bool is_same(const struct row *row, const struct snapshot *old, const struct snapshot *new)
{
	return old && !snapshot_differs(old, new, row->container);
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
		sd_json_variant *config = sd_json_variant_by_key(new->public, rows[i].container);
		if (!config || is_same(&rows[i], old, new))
			continue;
		int r = sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_VARIANT("config", config));
		if (r >= 0)
			r = daemon_call(
				rows[i].daemon, "io.sekisho.Daemon.Check", parameters, ret_why);
		if (r < 0)
			return name_daemon(&rows[i], ret_why);
	}
	return 0;
}

static int write_file(
	const struct row *row, sd_json_variant *config, const char *suffix, const char *group)
{
	_cleanup_free_ char *text = NULL;
	char file[64];
	const struct group *g = group ? getgrnam(group) : NULL;
	int r = sd_json_variant_format(config, SD_JSON_FORMAT_NEWLINE, &text);

	snprintf(file, sizeof(file), "config/%s%s.json", row->container, suffix);
	if (r >= 0 && group)
		r = file_replace_group(path_run(file), text, 0440, g ? g->gr_gid : 0);
	else if (r >= 0)
		r = file_replace(path_run(file), text, 0644, false);
	return r;
}

static int write_config(const struct row *row, const struct snapshot *new)
{
	sd_json_variant *public = sd_json_variant_by_key(new->public, row->container);
	sd_json_variant *all = sd_json_variant_by_key(new->config, row->container);
	char file[64];

	int r = write_file(row, public, "", NULL);
	if (r < 0)
		return r;
	if (row->secret_group && !sd_json_variant_equal(all, public))
		return write_file(row, all, ".secret", row->secret_group);
	snprintf(file, sizeof(file), "config/%s.secret.json", row->container);
	return row->secret_group && unlink(path_run(file)) < 0 && errno != ENOENT ? -errno : 0;
}

static bool is_first_of_container(size_t i)
{
	return i == 0 || strcmp(rows[i].container, rows[i - 1].container) != 0;
}

static int apply(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	if (mkdir(path_run("config"), 0755) < 0 && errno != EEXIST)
		return -errno;
	for (size_t i = 0; i < ROWS; i++) {
		if (!sd_json_variant_by_key(new->public, rows[i].container) ||
			is_same(&rows[i], old, new))
			continue;
		int r = is_first_of_container(i) ? write_config(&rows[i], new) : 0;
		if (r < 0)
			return r;
		if (!old)
			continue;
		r = daemon_call(rows[i].daemon, "io.sekisho.Daemon.Reload", NULL, ret_why);
		was_there[i] = r == 0;
		if (r < 0)
			return name_daemon(&rows[i], ret_why);
		if (r > 0)
			log_warning("%s does not answer; it reads its configuration when it starts",
				rows[i].daemon);
	}
	return 0;
}

/* One that is not running was said to be so by apply; one that died of its new settings is found
 * here. */
static int probe(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (is_same(&rows[i], old, new) || !was_there[i])
			continue;
		if (daemon_call(rows[i].daemon, "io.sekisho.Daemon.Status", NULL, ret_why) == 0)
			continue;
		free(*ret_why);
		*ret_why = strdup("it does not answer any more");
		return name_daemon(&rows[i], ret_why);
	}
	return 0;
}

static const char *const containers[] = {"inspection", "mail", "scan", "system", "update", NULL};

const struct applier applier_daemon = {
	.name = "daemon",
	.containers = containers,
	.prepare = prepare,
	.apply = apply,
	.probe = probe,
};
