#include "lib/path.h"

#include <stdio.h>
#include <stdlib.h>

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
	return out;
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
