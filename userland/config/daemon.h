/* daemon: a call to another daemon's control socket (lib/control.h), waited for DAEMON_WAIT_MS. */
#pragma once

#include <systemd/sd-json.h>

#define DAEMON_WAIT_MS 3000

/* 0; 1 when the daemon is not there or does not answer in time; -EINVAL with *ret_why on the heap
 * when it refuses. */
int daemon_call(
	const char *daemon, const char *method, sd_json_variant *parameters, char **ret_why);
