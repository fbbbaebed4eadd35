#include "scan/local.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "scan/engine.h"

static const char *const extensions[] = {".cdb", ".crb", ".fp", ".hdb", ".hsb", ".idb", ".ign2",
	".ldb", ".mdb", ".msb", ".ndb", ".sfp", ".yar", ".yara"};

static bool is_signature_file(const char *name)
{
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < sizeof(extensions) / sizeof(*extensions); i++)
		if (strcmp(dot, extensions[i]) == 0)
			return true;
	return false;
}

static int try_here(const char *path, const char *tmp)
{
	struct engine_limits limits;
	struct engine *e = NULL;
	char *why = NULL;

	alarm(LOCAL_TRY_S);
	engine_limits_defaults(&limits);
	int r = engine_load(&path, 1, 0, tmp, &limits, &e, &why);
	/* The library passes over a broken YARA rule in silence. A list of what to ignore counts
	 * none. */
	if (r == 0 && engine_signatures(e) == 0 && !strstr(path, ".ign2")) {
		log_warning("local signatures left out: %s: no signature in it is sound", path);
		return EXIT_FAILURE;
	}
	if (r < 0)
		log_warning("local signatures left out: %s", why ? why : strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* In a child: what a broken file does to the library's state ends there. */
static bool does_load(const char *path, const char *tmp)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(try_here(path, tmp));
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

void local_find(const char *folder, const char *tmp, struct local *ret)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *path = NULL;
		bool wanted = is_signature_file(entries[i]->d_name) &&
			      asprintf(&path, "%s/%s", folder, entries[i]->d_name) > 0;
		free(entries[i]);
		if (!wanted)
			continue;
		if (ret->count < LOCAL_FILES_MAX && does_load(path, tmp))
			ret->paths[ret->count++] = take_ptr(path);
		else
			ret->refused++;
	}
	if (n >= 0)
		free(entries);
}

void local_free(struct local *l)
{
	for (unsigned i = 0; i < l->count; i++)
		free(l->paths[i]);
	l->count = 0;
}
