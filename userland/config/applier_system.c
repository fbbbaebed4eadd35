/* applier_system: renders path_run("etc/..."), the targets of the links in /etc. */
#include "config/applier_system.h"

#include <errno.h>
#include <net/if.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config/applier.h"
#include "config/etc.h"
#include "config/file.h"
#include "config/network.h"
#include "config/unit.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/path.h"

#define ZONES "/usr/share/zoneinfo"
#define ACCOUNTS_MAX \
	256 /* of the image's passwd file; the rest would have no shadow line: locked as well */

static sd_json_variant *in_force;

static void read_lease(sd_json_variant *config, char *out, size_t cap)
{
	char path[64], state[ETC_LEASE_BYTES_MAX], device[IFNAMSIZ];

	out[0] = 0;
	network_management_device(config, device);
	snprintf(path, sizeof(path), "/run/systemd/netif/links/%u", if_nametoindex(device));
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (!f)
		return;
	size_t n = fread(state, 1, sizeof(state) - 1, f);
	state[n] = 0;
	etc_lease_servers(state, out, cap);
}

static int write_text(const char *name, char *text, mode_t mode)
{
	_cleanup_free_ char *owned = text;

	return owned ? file_replace(path_run(name), owned, mode, false) : -ENOMEM;
}

static int write_resolv_conf(sd_json_variant *config)
{
	char lease[1024];

	read_lease(config, lease, sizeof(lease));
	return write_text("etc/resolv.conf", etc_resolv_conf(config, lease), 0644);
}

static int write_shadow(sd_json_variant *config)
{
	const char *names[ACCOUNTS_MAX + 1];
	unsigned n = 0;
	struct passwd *account;
	/* The file itself: getpwent() would name the configuration's own users too (nss-systemd),
	 * and a locked line here would hide their passwords. */
	_cleanup_fclose_ FILE *f = fopen("/etc/passwd", "re");

	while (f && n < ACCOUNTS_MAX && (account = fgetpwent(f)))
		if ((names[n] = strdup(account->pw_name)))
			n++;
	names[n] = NULL;
	int r = write_text("etc/shadow", etc_shadow(config, names), 0600);
	for (unsigned i = 0; i < n; i++)
		free((char *)names[i]);
	return r;
}

static int write_banner(sd_json_variant *config)
{
	char text[1024];
	const char *banner = config_str(config, "system.banner");

	snprintf(text, sizeof(text), "%s%s", banner ? banner : "", banner && *banner ? "\n" : "");
	return file_replace(path_run("etc/banner"), text, 0644, false);
}

static int zone_file(sd_json_variant *config, char *out, size_t cap)
{
	const char *zone = config_str(config, "system.time-zone");

	snprintf(out, cap, "%s/%s", ZONES, zone ? zone : "UTC");
	return access(out, R_OK) < 0 ? -errno : 0;
}

/* /etc/localtime leads here. configd itself evaluates schedules in that zone. */
static int write_time_zone(sd_json_variant *config)
{
	char file[256], link[4096], now[256];
	const char *path = path_run("etc/localtime");

	/* UTC needs no file, and is what libc falls back to. */
	zone_file(config, file, sizeof(file));
	ssize_t n = readlink(path, now, sizeof(now) - 1);
	if (n < 0 || (size_t)n != strlen(file) || memcmp(now, file, (size_t)n) != 0) {
		snprintf(link, sizeof(link), "%s.new", path);
		unlink(link);
		if (symlink(file, link) < 0 || rename(link, path) < 0)
			return -errno;
	}
	setenv("TZ",
		config_str(config, "system.time-zone") ? config_str(config, "system.time-zone")
						       : "UTC",
		1);
	tzset();
	return 0;
}

static int write_chrony(sd_json_variant *config, bool at_start)
{
	_cleanup_free_ char *text = etc_chrony(config);

	return unit_follow("chronyd.service", path_run("etc/chrony.conf"), text, at_start);
}

static int prepare(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	const char *zone = config_str(new->config, "system.time-zone");
	char file[256];

	(void)old;
	if (zone_file(new->config, file, sizeof(file)) >= 0 || (zone && strcmp(zone, "UTC") == 0))
		return 0;
	if (asprintf(ret_why,
		    "system time-zone %s is not known: a name such as Asia/Tokyo or "
		    "Europe/Berlin is accepted",
		    zone) < 0)
		*ret_why = NULL;
	return -EINVAL;
}

static int apply(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	char hostname[SCHEMA_PATH_BYTES];

	(void)ret_why;
	if (mkdir(path_run("etc"), 0755) < 0 && errno != EEXIST)
		return -errno;
	snprintf(hostname, sizeof(hostname), "%s\n", config_str(new->config, "system.hostname"));
	int r = file_replace(path_run("etc/hostname"), hostname, 0644, false);
	if (r >= 0)
		r = write_shadow(new->config);
	if (r >= 0)
		r = write_banner(new->config);
	if (r >= 0)
		r = write_time_zone(new->config);
	if (r >= 0)
		r = write_chrony(new->config, !old);
	if (r >= 0)
		r = write_resolv_conf(new->config);
	if (r < 0)
		return r;
	sd_json_variant_ref(new->config);
	sd_json_variant_unref(in_force);
	in_force = new->config;
	return 0;
}

bool applier_system_leases_changed(void)
{
	int r = in_force ? write_resolv_conf(in_force) : 1;

	if (r < 0)
		log_error("resolv.conf cannot be written: %s", strerror(-r));
	return r == 0;
}

static const char *const containers[] = {"system", NULL};

const struct applier applier_system = {
	.name = "system",
	.containers = containers,
	.prepare = prepare,
	.apply = apply,
};
