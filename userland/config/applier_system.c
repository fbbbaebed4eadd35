/* applier_system: renders path_run("etc/..."), the targets of the links in /etc. */
#include "config/applier_system.h"

#include <errno.h>
#include <net/if.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "config/applier.h"
#include "config/etc.h"
#include "config/file.h"
#include "config/ruleset.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/path.h"

#define ACCOUNTS_MAX \
	256 /* of the image's passwd file; the rest would have no shadow line: locked as well */

static sd_json_variant *in_force;

static void read_lease(char *out, size_t cap)
{
	char path[64], state[ETC_LEASE_BYTES_MAX];

	out[0] = 0;
	snprintf(path, sizeof(path), "/run/systemd/netif/links/%u", if_nametoindex(MGMT_HOST));
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

	read_lease(lease, sizeof(lease));
	return write_text("etc/resolv.conf", etc_resolv_conf(config, lease), 0644);
}

static int write_shadow(sd_json_variant *config)
{
	const char *names[ACCOUNTS_MAX + 1];
	unsigned n = 0;
	struct passwd *account;

	setpwent();
	while (n < ACCOUNTS_MAX && (account = getpwent()))
		if ((names[n] = strdup(account->pw_name)))
			n++;
	endpwent();
	names[n] = NULL;
	int r = write_text("etc/shadow", etc_shadow(config, names), 0600);
	for (unsigned i = 0; i < n; i++)
		free((char *)names[i]);
	return r;
}

static int apply(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	char hostname[SCHEMA_PATH_BYTES];

	(void)old;
	(void)ret_why;
	if (mkdir(path_run("etc"), 0755) < 0 && errno != EEXIST)
		return -errno;
	snprintf(hostname, sizeof(hostname), "%s\n", config_str(new->config, "system.hostname"));
	int r = file_replace(path_run("etc/hostname"), hostname, 0644, false);
	if (r >= 0)
		r = write_shadow(new->config);
	if (r >= 0)
		r = write_text("etc/authorized_keys", etc_authorized_keys(new->config), 0644);
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
	.apply = apply,
};
