#include "config/commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/applier.h"
#include "lib/cleanup.h"
#include "lib/log.h"

static const struct applier *const appliers[] = {
#define APPLIER(name) &applier_##name,
#include "config/appliers.def"
#undef APPLIER
};

#define APPLIERS (sizeof(appliers) / sizeof(*appliers))

static bool differs(const struct snapshot *old, const struct snapshot *new, const char *container)
{
	sd_json_variant *a = sd_json_variant_by_key(old->config, container);
	sd_json_variant *b = sd_json_variant_by_key(new->config, container);

	if (!a || !b)
		return a != b;
	return !sd_json_variant_equal(a, b);
}

static bool is_affected(
	const struct applier *a, const struct snapshot *old, const struct snapshot *new)
{
	for (const char *const *c = a->containers; *c; c++)
		if (differs(old, new, *c))
			return true;
	return false;
}

static int refuse(const struct applier *a, int r, const char *why, struct fault *f)
{
	return fault_set(f, r, NULL, NULL, NULL, "%s: %s", a->name, why ? why : strerror(-r));
}

int commit_check(const struct snapshot *old, const struct snapshot *new, struct fault *f)
{
	for (size_t i = 0; i < APPLIERS; i++) {
		_cleanup_free_ char *why = NULL;
		if (!appliers[i]->prepare || !is_affected(appliers[i], old, new))
			continue;
		int r = appliers[i]->prepare(old, new, &why);
		if (r < 0)
			return refuse(appliers[i], r, why, f);
	}
	return 0;
}

/* The failed one too: it may have got half way. */
static void undo(size_t failed, const struct snapshot *old, const struct snapshot *new)
{
	for (size_t i = failed + 1; i-- > 0;) {
		_cleanup_free_ char *why = NULL;
		if (!is_affected(appliers[i], old, new))
			continue;
		int r = appliers[i]->apply(new, old, &why);
		if (r < 0)
			log_error("%s cannot go back to the old configuration: %s",
				appliers[i]->name, why ? why : strerror(-r));
	}
}

int commit_run(const struct snapshot *old, const struct snapshot *new, struct fault *f)
{
	_cleanup_free_ char *difference = tree_diff(old->tree, new->tree, false);
	bool changed = difference && *difference;

	for (size_t i = 0; i < APPLIERS && !changed; i++)
		changed = is_affected(appliers[i], old, new); /* order of a user-ordered list */
	if (!changed)
		return 0;
	int r = commit_check(old, new, f);
	if (r < 0)
		return r;
	r = store_write(new);
	if (r < 0)
		return fault_set(f, r, NULL, NULL, NULL,
			"the startup configuration cannot be written: %s", strerror(-r));
	for (size_t i = 0; i < APPLIERS; i++) {
		_cleanup_free_ char *why = NULL;
		if (!is_affected(appliers[i], old, new))
			continue;
		r = appliers[i]->apply(old, new, &why);
		if (r < 0) {
			undo(i, old, new);
			if (store_undo() < 0)
				log_error("the old startup configuration cannot be put back: %m");
			return refuse(appliers[i], r, why, f);
		}
	}
	return 1;
}

void commit_start(const struct snapshot *snapshot)
{
	for (size_t i = 0; i < APPLIERS; i++) {
		_cleanup_free_ char *why = NULL;
		int r = appliers[i]->apply(NULL, snapshot, &why);
		if (r < 0)
			log_error("%s does not take the configuration: %s", appliers[i]->name,
				why ? why : strerror(-r));
	}
}
