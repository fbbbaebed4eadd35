/*
 * applier_account: the accounts of the configuration (account.h) and everybody's SSH keys.
 *
 * /run/userdb, where nss-systemd looks, is a link to the folder of the records. A session that is
 * open when its account goes stays open, and may do nothing more: its role is looked up at each
 * connection to a daemon.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/account.h"
#include "config/applier.h"
#include "config/etc.h"
#include "config/file.h"
#include "lib/cleanup.h"
#include "lib/path.h"

#define KEYS "etc/authorized_keys.d"
#define NAMES_MAX 1024 /* 64 users of at most 8 files */

/* What belongs into a folder; the rest is removed. */
struct folder {
	const char *path;
	char *names[NAMES_MAX];
	unsigned n;
};

static void folder_fini(struct folder *f)
{
	for (unsigned i = 0; i < f->n; i++)
		free(f->names[i]);
}

static int add_name(struct folder *f, const char *name)
{
	if (f->n == NAMES_MAX || !(f->names[f->n] = strdup(name)))
		return -ENOMEM;
	f->n++;
	return 0;
}

static int put(struct folder *f, const char *name, char *text, mode_t mode)
{
	_cleanup_free_ char *owned = text;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	int r = owned ? file_replace(path, owned, mode, false) : -ENOMEM;
	return r < 0 ? r : add_name(f, name);
}

static int put_link(struct folder *f, const char *name, const char *target)
{
	char path[4096], now[128];

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	ssize_t n = readlink(path, now, sizeof(now));
	if (n >= 0 && (size_t)n == strlen(target) && memcmp(now, target, (size_t)n) == 0)
		return add_name(f, name);
	unlink(path);
	return symlink(target, path) < 0 ? -errno : add_name(f, name);
}

static bool is_wanted(const struct folder *f, const char *name)
{
	for (unsigned i = 0; i < f->n; i++)
		if (strcmp(f->names[i], name) == 0)
			return true;
	return false;
}

static int remove_others(const struct folder *f)
{
	_cleanup_closedir_ DIR *d = opendir(f->path);
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d)))
		if (*e->d_name != '.' && !is_wanted(f, e->d_name) &&
			unlinkat(dirfd(d), e->d_name, 0) < 0)
			return -errno;
	return 0;
}

static int put_account(struct folder *f, sd_json_variant *user, uid_t number)
{
	const char *name = config_str(user, "name");
	char file[128], link[64];

	snprintf(file, sizeof(file), "%s.user", name);
	snprintf(link, sizeof(link), "%u.user", number);
	int r = put(f, file, account_record(user, number), 0644);
	if (r >= 0)
		r = put_link(f, link, file);
	snprintf(file, sizeof(file), "%s.user-privileged", name);
	snprintf(link, sizeof(link), "%u.user-privileged", number);
	if (r >= 0)
		r = put(f, file, account_secret(user), 0600);
	if (r >= 0)
		r = put_link(f, link, file);
	for (const char *const *g = account_groups(user); *g && r >= 0; g++) {
		snprintf(file, sizeof(file), "%s:%s.membership", name, *g);
		r = put(f, file, strdup("{}\n"), 0644);
	}
	return r;
}

static int write_accounts(sd_json_variant *config)
{
	_cleanup_(folder_fini) struct folder f = {.path = path_run("userdb")};
	sd_json_variant *user;
	size_t index = 0;
	int r = mkdir(f.path, 0755) < 0 && errno != EEXIST ? -errno : 0;

	config_foreach(user, config, "system.user")
	{
		if (r >= 0 && !account_is_built_in(user))
			r = put_account(&f, user, account_number(config, index));
		index++;
	}
	return r < 0 ? r : remove_others(&f);
}

static int write_keys(sd_json_variant *config)
{
	_cleanup_(folder_fini) struct folder f = {.path = path_run(KEYS)};
	sd_json_variant *user;
	int r = mkdir(f.path, 0755) < 0 && errno != EEXIST ? -errno : 0;

	config_foreach(user, config, "system.user")
	{
		if (r >= 0)
			r = put(&f, config_str(user, "name"), etc_authorized_keys(user), 0644);
	}
	return r < 0 ? r : remove_others(&f);
}

static int apply(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	(void)old;
	(void)ret_why;
	int r = write_accounts(new->config);
	return r < 0 ? r : write_keys(new->config);
}

static const char *const containers[] = {"system", NULL};

const struct applier applier_account = {
	.name = "account",
	.containers = containers,
	.apply = apply,
};
