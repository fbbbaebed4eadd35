/*
 * applier_network: writes the files of networkd and has it read them.
 *
 * networkd takes SIGHUP from systemd only (unit.h): configd may not signal another user's process.
 * SEKISHO_NETWORKD moves the folder of the files.
 */
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/applier.h"
#include "config/file.h"
#include "config/link.h"
#include "config/network.h"
#include "config/networkd.h"
#include "config/unit.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define FILES_MAX \
	256 /* two a network, one a port, and the fixed six; more are refused at prepare */

struct files {
	const char *folder;
	char *names[FILES_MAX];
	unsigned n;
	bool changed;
};

static void files_fini(struct files *f)
{
	for (unsigned i = 0; i < f->n; i++)
		free(f->names[i]);
}

static const char *folder(void)
{
	const char *f = getenv("SEKISHO_NETWORKD");

	return f && *f ? f : "/run/systemd/network";
}

static int put_file(void *ctx, const char *name, const char *text)
{
	struct files *f = ctx;
	_cleanup_free_ char *path = NULL;

	if (f->n == FILES_MAX)
		return -E2BIG;
	if (asprintf(&path, "%s/%s", f->folder, name) < 0 || !(f->names[f->n] = strdup(name)))
		return -ENOMEM;
	f->n++;
	int r = file_replace(path, text, 0644, false);
	f->changed |= r == 0;
	return r;
}

static bool is_wanted(const struct files *f, const char *name)
{
	for (unsigned i = 0; i < f->n; i++)
		if (strcmp(f->names[i], name) == 0)
			return true;
	return strncmp(name, NETWORKD_PREFIX, strlen(NETWORKD_PREFIX)) != 0;
}

/* networkd makes devices but does not remove them: the file's name is the device's. */
static void remove_device(const char *file)
{
	char device[IFNAMSIZ];
	const char *name = file + strlen(NETWORKD_PREFIX), *dot = strrchr(name, '.');

	if (!dot || strcmp(dot, ".netdev") != 0 || (size_t)(dot - name) >= sizeof(device))
		return;
	snprintf(device, sizeof(device), "%.*s", (int)(dot - name), name);
	int r = link_delete(device);
	if (r < 0 && r != -ENODEV)
		log_warning("%s cannot be removed: %s", device, strerror(-r));
}

static int remove_others(struct files *f)
{
	_cleanup_closedir_ DIR *d = opendir(f->folder);
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		if (is_wanted(f, e->d_name))
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) < 0)
			return -errno;
		remove_device(e->d_name);
		f->changed = true;
	}
	return 0;
}

static int count_file(void *ctx, const char *name, const char *text)
{
	unsigned *n = ctx;

	(void)name;
	(void)text;
	return ++*n > FILES_MAX ? -E2BIG : 0;
}

static int prepare(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	unsigned n = 0;

	(void)old;
	int r = network_check(new->config, ret_why);
	if (r < 0)
		return r;
	r = networkd_render(new->config, count_file, &n);
	if (r == -E2BIG)
		*ret_why = strdup("there are too many ports and networks");
	return r;
}

static int apply(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	_cleanup_(files_fini) struct files f = {.folder = folder()};

	(void)old;
	(void)ret_why;
	if (mkdir(f.folder, 0755) < 0 && errno != EEXIST)
		return -errno;
	int r = networkd_render(new->config, put_file, &f);
	if (r >= 0)
		r = remove_others(&f);
	if (f.changed)
		unit_run("try-reload-or-restart", "systemd-networkd.service");
	return r < 0 ? r : 0;
}

static const char *const containers[] = {"interfaces", "dhcp", "routing", "system", NULL};

const struct applier applier_network = {
	.name = "network",
	.containers = containers,
	.prepare = prepare,
	.apply = apply,
};
