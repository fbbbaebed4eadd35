#include "inspect/generation.h"

#include <errno.h>
#include <glob.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/detect_memory.h"
#include "lib/cleanup.h"
#include "lib/path.h"

struct publication {
	pthread_mutex_t lock; /* held only to take or replace a reference */
	struct generation *current;
	unsigned serial;
	struct detect_memory *memory;
};

static void globfree_p(glob_t *g)
{
	globfree(g);
}

/* Sorted within a pattern, patterns in the order given. */
static int files_find(const char *const *patterns, size_t n, glob_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		/* A name without wildcards stays, so that a missing file is named by the loader. */
		bool wild = strpbrk(patterns[i], "*?[") != NULL;
		int r = glob(patterns[i],
			(wild ? 0 : GLOB_NOCHECK) | (ret->gl_pathc ? GLOB_APPEND : 0), NULL, ret);
		if (r == GLOB_NOSPACE)
			return -ENOMEM;
		if (r == GLOB_ABORTED)
			return -EIO;
	}
	return 0;
}

int generation_new(struct settings *settings, const char *const *patterns, size_t n,
	const char *cache_dir, bool ips, rule_refused_fn *refused, void *ctx,
	struct generation **ret)
{
	_cleanup_(globfree_p) glob_t files = {};
	struct generation *g = calloc(1, sizeof(*g));

	if (!g) {
		settings_fini(settings);
		return -ENOMEM;
	}
	g->refs = 1;
	g->ips = ips;
	g->settings = *settings;
	*settings = (struct settings){};

	struct rule_var list[SETTINGS_VARS];
	struct rule_vars vars;
	settings_rule_vars(&g->settings, list, &vars);
	int r = files_find(patterns, n, &files);
	if (r >= 0)
		r = ruleset_load((const char *const *)files.gl_pathv, files.gl_pathc, &vars,
			cache_dir, refused, ctx, &g->rules, &g->stats);
	if (r >= 0 && g->settings.domains_n)
		r = domain_lists_load(path_data("sig/domains/current"), g->settings.domains,
			g->settings.domains_n, &g->domains);
	if (r < 0) {
		generation_put(g);
		return r;
	}
	*ret = g;
	return 0;
}

struct generation *generation_get(struct generation *g)
{
	__atomic_add_fetch(&g->refs, 1, __ATOMIC_RELAXED);
	return g;
}

void generation_put(struct generation *g)
{
	if (!g || __atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	if (g->rules)
		ruleset_put(g->rules);
	settings_fini(&g->settings);
	domain_lists_free(g->domains);
	free(g);
}

bool generation_is_last(const struct generation *g)
{
	return __atomic_load_n(&g->refs, __ATOMIC_ACQUIRE) == 1;
}

int publication_new(struct publication **ret)
{
	struct publication *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	int r = detect_memory_new(&p->memory);
	if (r < 0) {
		free(p);
		return r;
	}
	pthread_mutex_init(&p->lock, NULL);
	*ret = p;
	return 0;
}

void publication_free(struct publication *p)
{
	if (!p)
		return;
	generation_put(p->current);
	detect_memory_free(p->memory);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

struct detect_memory *publication_memory(struct publication *p)
{
	return p->memory;
}

void generation_publish(struct publication *p, struct generation *g)
{
	g->serial = ++p->serial;
	pthread_mutex_lock(&p->lock);
	struct generation *old = p->current;
	__atomic_store_n(&p->current, g, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&p->lock);
	generation_put(old);
}

struct generation *publication_newer(struct publication *p, const struct generation *mine)
{
	struct generation *g = NULL;

	if (__atomic_load_n(&p->current, __ATOMIC_ACQUIRE) == mine)
		return NULL;
	pthread_mutex_lock(&p->lock);
	if (p->current && p->current != mine)
		g = generation_get(p->current);
	pthread_mutex_unlock(&p->lock);
	return g;
}
