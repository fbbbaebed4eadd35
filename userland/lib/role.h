/*
 * role: what an administrator may do, taken from the groups of the account.
 *
 * There are three groups, one inside the other: whoever is in sekisho-auditor may look, in
 * sekisho-operator also clear, in sekisho-admin do everything. systemd lets the first of them reach
 * the control sockets at all; which methods a connection then finds is decided by the groups that
 * the kernel noted when the peer connected (control.h). What a client says of itself has no say.
 *
 * root and the daemon's own user are admin: configd, and a daemon run by hand.
 */
#pragma once

#include <sys/types.h>

enum role { ROLE_NONE, ROLE_AUDITOR, ROLE_OPERATOR, ROLE_ADMIN };

#define ROLES (ROLE_ADMIN + 1)

/* "none", "auditor", "operator", "admin": the words of the schema. */
extern const char *const role_names[ROLES];

/* Looks the groups up; once, before a sandbox closes /etc. A group that is not there has no
 * members. */
void role_init(void);
enum role role_of(uid_t uid, const gid_t *groups, size_t n);
/* Of the other end of a connected Unix socket. */
enum role role_of_peer(int fd);
/* Of this process. */
enum role role_own(void);
