/*
 * certificate: what an administrator does with the certificates of tls.h, over the control socket.
 *
 *	interface io.sekisho.Mail
 *	method Certificates() -> (certificates: [](host: string, not_after: int), problems:
 *[]string) method InstallCertificate(host: string, pem: string) -> () method
 *RemoveCertificate(host: string) -> () method Sessions() -> (sessions: [](client: string, server:
 *string, state: string, ...)) error Invalid (why: string)      io.sekisho.Daemon.Invalid
 *
 * A certificate is in force for the next session; nothing is restarted. Keys are never given out.
 * Limits: SESSIONS_TOLD sessions are told.
 */
#pragma once

#include <systemd/sd-varlink.h>

#include "mail/session.h"

#define SESSIONS_TOLD 1000

int certificate_methods(sd_varlink_server *control);
/* Reads the folder again; what cannot be used is told in the log. */
int certificate_reload(struct mail_shared *shared);
