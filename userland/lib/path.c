#include "lib/path.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every path once: a daemon that asks for the same one each hour does not grow. */
static struct entry {
	struct entry *next;
	char text[];
} *entries;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char *keep(const char *text)
{
	struct entry *e;
	size_t n = strlen(text) + 1;

	pthread_mutex_lock(&lock);
	for (e = entries; e && strcmp(e->text, text) != 0; e = e->next)
		;
	if (!e) {
		e = malloc(sizeof(*e) + n);
		if (!e)
			abort();
		memcpy(e->text, text, n);
		e->next = entries;
		entries = e;
	}
	pthread_mutex_unlock(&lock);
	return e->text;
}

static const char *join(const char *variable, const char *standard, const char *name)
{
	const char *base = getenv(variable);
	char *out;

	if (!base || !*base)
		base = standard;
	if (!*name)
		return base;
	if (asprintf(&out, "%s/%s", base, name) < 0)
		abort();
	const char *kept = keep(out);
	free(out);
	return kept;
}

const char *path_run(const char *name)
{
	return join("SEKISHO_RUN", "/run/sekisho", name);
}

const char *path_data(const char *name)
{
	return join("SEKISHO_DATA", "/data", name);
}

const char *path_share(const char *name)
{
	return join("SEKISHO_SHARE", "/usr/share/sekisho", name);
}
