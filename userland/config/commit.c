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

static bool is_affected(
	const struct applier *a, const struct snapshot *old, const struct snapshot *new)
{
	for (const char *const *c = a->containers; *c; c++)
		if (snapshot_differs(old, new, *c))
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

static int apply_one(const struct applier *a, const struct snapshot *old,
	const struct snapshot *new, struct fault *f)
{
	_cleanup_free_ char *why = NULL;
	int r = a->apply(old, new, &why);

	return r < 0 ? refuse(a, r, why, f) : 0;
}

/* From the last of n on backwards; all of them even when one cannot. */
static void undo(size_t n, const struct snapshot *old, const struct snapshot *new)
{
	while (n-- > 0) {
		_cleanup_(fault_fini) struct fault f = {0};
		if (is_affected(appliers[n], old, new) && apply_one(appliers[n], new, old, &f) < 0)
			log_error("there is no way back to the old configuration: %s",
				f.why ? f.why : "");
	}
}

static int apply_all(const struct snapshot *old, const struct snapshot *new, struct fault *f)
{
	for (size_t i = 0; i < APPLIERS; i++) {
		if (!is_affected(appliers[i], old, new))
			continue;
		int r = apply_one(appliers[i], old, new, f);
		if (r < 0) {
			undo(i + 1, old, new); /* the failed one may have got half way */
			return r;
		}
	}
	return 0;
}

static int probe_all(const struct snapshot *old, const struct snapshot *new, struct fault *f)
{
	for (size_t i = 0; i < APPLIERS; i++) {
		_cleanup_free_ char *why = NULL;
		if (!appliers[i]->probe || !is_affected(appliers[i], old, new))
			continue;
		int r = appliers[i]->probe(old, new, &why);
		if (r < 0) {
			undo(APPLIERS, old, new);
			return refuse(appliers[i], r, why, f);
		}
	}
	return 0;
}

static int refuse_store(int r, struct fault *f)
{
	return fault_set(
		f, r, NULL, NULL, NULL, "the configuration cannot be stored: %s", strerror(-r));
}

static void abandon(void)
{
	int r = store_abandon();

	if (r < 0)
		log_error("the pending commit cannot be removed: %s", strerror(-r));
}

int commit_run(const struct snapshot *old, const struct snapshot *new, const struct record *record,
	struct fault *f)
{
	int r = commit_check(old, new, f);

	if (r < 0)
		return r;
	r = store_prepare(new, record);
	if (r < 0)
		return refuse_store(r, f);
	r = apply_all(old, new, f);
	if (r >= 0)
		r = probe_all(old, new, f);
	if (r >= 0 && !*record->boot) {
		r = store_finish(record);
		if (r < 0) {
			undo(APPLIERS, old, new);
			refuse_store(r, f);
		}
	}
	if (r < 0)
		abandon();
	return r;
}

int commit_confirm(const struct record *record, struct fault *f)
{
	int r = store_finish(record);

	return r < 0 ? refuse_store(r, f) : 0;
}

void commit_revert(const struct snapshot *now, const struct snapshot *base)
{
	undo(APPLIERS, base, now);
	abandon();
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
