/*
 * quarantine_control: the quarantine for people: methods of interface io.sekisho.Mail.
 *
 *	Quarantine(limit: ?int) -> (messages: []object, total: int, bytes: int)       auditor
 *	QuarantineShow(id: int) -> (message: object, header: string)                   auditor
 *	Digest(hours: ?int) -> (text: string)                                          auditor
 *	Release(id: int) -> (reply: string)                                            operator
 *	Delete(id: int) -> ()                                                          operator
 *	error io.sekisho.Daemon.Invalid(why: string)
 *
 * Texts are readable UTF-8 without control characters (words.h). Opens and bounds the quarantine,
 * and tells the log what leaves it.
 */
#pragma once

#include <systemd/sd-varlink.h>

#include "mail/session.h"

#define QUARANTINE_TOLD 1000    /* messages of one list */
#define QUARANTINE_EXPIRE_S 600 /* between looks at the age */

int quarantine_start(struct mail_shared *shared, sd_varlink_server *control);
/* The settings have been read again. */
void quarantine_settings(struct mail_shared *shared);
void quarantine_stop(struct mail_shared *shared);
/* Keeps a message with its results; *ret_id on success. -errno else. */
int quarantine_keep(struct session *s, uint64_t *ret_id);
