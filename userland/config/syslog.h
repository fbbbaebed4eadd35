/*
 * syslog: rsyslogd's configuration from `logging syslog`. Pure: JSON in, text out.
 *
 * rsyslogd follows the event files of the daemons (lib/eve.h) and sends each line as it is in a
 * message of RFC 5424: application name sekisho-<daemon>, facility local4. A server that does not
 * answer is tried again for ever; meanwhile events wait in memory and then on disk, up to
 * SYSLOG_DISK_MB a server, and the newest are lost after that (rsyslogd says so in the journal).
 */
#pragma once

#include <systemd/sd-json.h>

#define SYSLOG_DISK_MB 16
#define SYSLOG_PEM_FOLDER "etc/syslog" /* below path_run() */

/* On the heap; NULL also when there is no server. state: a folder that rsyslogd may write. */
char *syslog_render(sd_json_variant *config, const char *log, const char *state, const char *pem);
/* The certificate of a `logging syslog` entry as a PEM file; NULL when it has none. */
char *syslog_pem(sd_json_variant *server);
