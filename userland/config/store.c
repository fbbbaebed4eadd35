#include "config/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/file.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/path.h"

#define STARTUP "startup.json"
#define PREVIOUS "startup.json.1"
#define PREVIOUS_NEW "startup.json.1.new"
#define DAMAGED "startup.json.damaged"

const char *const store_origin_names[] = {"startup", "previous", "factory", "none"};

void snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	lyd_free_all(snapshot->tree);
	sd_json_variant_unref(snapshot->config);
	sd_json_variant_unref(snapshot->public);
	free(snapshot);
}

int snapshot_new(
	const struct schema *s, const struct lyd_node *tree, struct snapshot **ret, struct fault *f)
{
	struct snapshot *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	new->tree = tree_dup(tree);
	int r = tree_config(s, tree, false, &new->config, f);
	if (r >= 0)
		r = tree_config(s, tree, true, &new->public, f);
	if (r < 0) {
		snapshot_free(new);
		return r;
	}
	*ret = new;
	return 0;
}

static int load(const struct schema *s, const char *file, struct snapshot **ret, struct fault *f)
{
	struct lyd_node *tree = NULL;
	int r = tree_read(s, file, &tree, f);

	if (r >= 0)
		r = snapshot_new(s, tree, ret, f);
	lyd_free_all(tree);
	return r;
}

static void keep_damaged(const char *file, const char *why)
{
	char kept[4096];

	snprintf(kept, sizeof(kept), "%s/" DAMAGED, path_data("config"));
	log_error("THE CONFIGURATION %s IS DAMAGED (%s); it is kept as " DAMAGED, file, why);
	if (rename(file, kept) < 0)
		log_error("cannot set %s aside: %m", file);
}

int store_load(const struct schema *s, struct snapshot **ret, enum store_origin *ret_origin)
{
	const char *const files[] = {path_data("config/" STARTUP), path_data("config/" PREVIOUS),
		path_share("factory.json")};
	_cleanup_(fault_fini) struct fault f = {0};
	bool damaged = false;
	int r = -ENOENT;

	for (int i = STORE_STARTUP; i <= STORE_FACTORY; i++) {
		r = load(s, files[i], ret, &f);
		if (r >= 0) {
			if (damaged)
				log_error("RUNNING THE %s CONFIGURATION INSTEAD",
					store_origin_names[i]);
			else
				log_info("running the %s configuration", store_origin_names[i]);
			*ret_origin = (enum store_origin)i;
			return 0;
		}
		if (r == -ENOENT)
			continue;
		damaged = true;
		if (i == STORE_FACTORY)
			log_error("the factory configuration is unusable: %s", f.why ? f.why : "");
		else
			keep_damaged(files[i], f.why ? f.why : strerror(-r));
	}
	return r;
}

int store_write(const struct snapshot *snapshot)
{
	_cleanup_free_ char *text = tree_text(snapshot->tree);
	_cleanup_close_ int dir = -1;

	if (!text)
		return -ENOMEM;
	if (mkdir(path_data("config"), 0700) < 0 && errno != EEXIST)
		return -errno;
	dir = open(path_data("config"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	/* The present startup gets its second name before the new one takes the first: no moment
	 * without a startup file. */
	unlinkat(dir, PREVIOUS_NEW, 0);
	if (linkat(dir, STARTUP, dir, PREVIOUS_NEW, 0) == 0) {
		if (renameat(dir, PREVIOUS_NEW, dir, PREVIOUS) < 0)
			return -errno;
	} else if (errno != ENOENT) {
		return -errno;
	}
	return file_replace(path_data("config/" STARTUP), text, 0600, true);
}

int store_undo(void)
{
	if (rename(path_data("config/" PREVIOUS), path_data("config/" STARTUP)) == 0)
		return 0;
	if (errno == ENOENT && unlink(path_data("config/" STARTUP)) == 0)
		return 0; /* the first commit after the factory configuration */
	return -errno;
}
