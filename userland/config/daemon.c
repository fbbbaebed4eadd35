#include "config/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "lib/cleanup.h"
#include "lib/control.h"
#include "lib/path.h"

int daemon_call(const char *daemon, const char *method, sd_json_variant *parameters, char **ret_why)
{
	_cleanup_(sd_varlink_unrefp) sd_varlink *link = NULL;
	sd_json_variant *reply = NULL; /* owned by link */
	char name[64];
	const char *error = NULL;

	snprintf(name, sizeof(name), "%s.varlink", daemon);
	/* A commit may wait for several daemons in turn, longer together than the watchdog allows.
	 */
	sd_notify(0, "WATCHDOG=1");
	if (sd_varlink_connect_address(&link, path_run(name)) < 0)
		return 1;
	sd_varlink_set_relative_timeout(link, DAEMON_WAIT_MS * 1000ULL);
	int r = sd_varlink_call(link, method, parameters, &reply, &error);
	if (r < 0)
		return 1;
	if (!error)
		return 0;
	if (strcmp(error, CONTROL_INVALID) != 0 && strncmp(error, "org.varlink.", 12) != 0)
		return 1;
	sd_json_variant *why = sd_json_variant_by_key(reply, "why");
	*ret_why =
		strdup(why && sd_json_variant_is_string(why) ? sd_json_variant_string(why) : error);
	return -EINVAL;
}
