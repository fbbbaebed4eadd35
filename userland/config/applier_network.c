/*
 * applier_network: writes the files of networkd and has it read them.
 *
 * networkd takes SIGHUP from systemd only, which `systemctl` asks for over systemd's private
 * socket: there is no D-Bus on the appliance, and configd may not signal another user's process.
 * Without systemd (tests) only the files are written. SEKISHO_NETWORKD moves their folder.
 */
#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "config/applier.h"
#include "config/file.h"
#include "config/networkd.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define FILES_MAX 64 /* ports and the fixed six; more ports are refused at prepare */

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
		f->changed = true;
	}
	return 0;
}

/* Not waited for: at boot networkd may itself be waiting for configd. */
static void networkd_reload(void)
{
	static char *argv[] = {"systemctl", "--no-block", "try-reload-or-restart",
		"systemd-networkd.service", NULL};
	int status = 0;
	pid_t pid;

	if (sd_booted() <= 0)
		return;
	int r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (r == 0 && waitpid(pid, &status, 0) < 0)
		r = errno;
	if (r != 0 || status != 0)
		log_error("networkd was not told to read its files: %s",
			r ? strerror(r) : "systemctl failed");
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
	sd_json_variant *address;
	unsigned n = 0;

	(void)old;
	config_foreach(address, new->config, "interfaces.management.address")
	{
		const char *text = sd_json_variant_string(address);
		if (networkd_is_address(text))
			continue;
		if (asprintf(ret_why, "management address %s is none", text) < 0)
			*ret_why = NULL;
		return -EINVAL;
	}
	int r = networkd_render(new->config, count_file, &n);
	if (r == -E2BIG)
		*ret_why = strdup("there are too many ports");
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
		networkd_reload();
	return r < 0 ? r : 0;
}

static const char *const containers[] = {"interfaces", NULL};

const struct applier applier_network = {
	.name = "network",
	.containers = containers,
	.prepare = prepare,
	.apply = apply,
};
