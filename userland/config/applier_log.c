/* applier_log: rsyslogd's configuration and the certificates it needs; runs it while there is a
 * server. And config/logging.json, which every daemon's log reads by itself (lib/retention.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/applier.h"
#include "config/file.h"
#include "config/syslog.h"
#include "config/unit.h"
#include "lib/cleanup.h"
#include "lib/path.h"

static int write_pems(sd_json_variant *config)
{
	sd_json_variant *server;
	char path[4096];
	int r = mkdir(path_run(SYSLOG_PEM_FOLDER), 0755) < 0 && errno != EEXIST ? -errno : 0;

	config_foreach(server, config, "logging.syslog")
	{
		_cleanup_free_ char *pem = syslog_pem(server);
		if (r < 0 || !pem)
			continue;
		snprintf(path, sizeof(path), "%s/%s.pem", path_run(SYSLOG_PEM_FOLDER),
			config_str(server, "name"));
		r = file_replace(path, pem, 0644, false);
	}
	return r;
}

static int write_config(const struct snapshot *new)
{
	_cleanup_free_ char *text = NULL;
	sd_json_variant *config = sd_json_variant_by_key(new->public, "logging");
	int r = mkdir(path_run("config"), 0755) < 0 && errno != EEXIST ? -errno : 0;

	if (r >= 0 && config)
		r = sd_json_variant_format(config, SD_JSON_FORMAT_NEWLINE, &text);
	return r < 0 || !text ? r
			      : file_replace(path_run("config/logging.json"), text, 0644, false);
}

static int apply(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	(void)ret_why;
	if (mkdir(path_run("etc"), 0755) < 0 && errno != EEXIST)
		return -errno;
	int r = write_config(new);
	if (r >= 0)
		r = write_pems(new->config);
	if (r < 0)
		return r;
	_cleanup_free_ char *text = syslog_render(new->config, path_data("log"),
		path_data("log/rsyslog"), path_run(SYSLOG_PEM_FOLDER));
	return unit_follow("rsyslogd.service", path_run("etc/rsyslog.conf"), text, !old);
}

static const char *const containers[] = {"logging", "system", NULL};

const struct applier applier_log = {
	.name = "log",
	.containers = containers,
	.apply = apply,
};
