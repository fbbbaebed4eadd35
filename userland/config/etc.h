/*
 * etc: the files of /etc that the configuration decides. Pure: JSON and the accounts of the image
 * in, text out.
 *
 * admin has an empty hash until a password is set: the first login on the console gets in without
 * one and the command line then asks for it; sshd refuses empty passwords by itself. All other
 * accounts of the image are locked; those that the configuration makes are user records
 * (account.h).
 */
#pragma once

#include <systemd/sd-json.h>

#define ETC_ADMIN "admin"
#define ETC_LEASE_BYTES_MAX 65536

/* accounts: names, NULL-terminated. */
char *etc_shadow(sd_json_variant *config, const char *const *accounts);
/* Of one entry of `system user`. */
char *etc_authorized_keys(sd_json_variant *user);
/* chrony.conf; NULL also when there is no server to ask. */
char *etc_chrony(sd_json_variant *config);
/* lease: addresses parted by blanks that networkd learned, used when the configuration names none.
 */
char *etc_resolv_conf(sd_json_variant *config, const char *lease);
/* Value of DNS= in a link's state file of networkd; empty when there is none. */
void etc_lease_servers(const char *state, char *out, size_t cap);
