#include "config/unit.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "config/file.h"
#include "lib/log.h"

void unit_run(const char *verb, const char *unit)
{
	char *argv[] = {"systemctl", "--no-block", (char *)verb, (char *)unit, NULL};
	int status = 0;
	pid_t pid;

	if (sd_booted() <= 0)
		return;
	int r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (r == 0 && waitpid(pid, &status, 0) < 0)
		r = errno;
	if (r != 0 || status != 0)
		log_error("%s %s: %s", verb, unit, r ? strerror(r) : "systemctl failed");
}

int unit_follow(const char *unit, const char *path, const char *text, bool at_start)
{
	int r = text ? file_replace(path, text, 0644, false)
		     : (unlink(path) < 0 ? (errno == ENOENT ? 1 : -errno) : 0);

	if (r < 0)
		return r;
	if (r == 0 && !at_start)
		unit_run(text ? "restart" : "stop", unit);
	return 0;
}
