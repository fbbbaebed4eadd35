/*
 * account: the accounts of `system user`, as JSON user records that nss-systemd reads. Pure: JSON
 *in, text out.
 *
 *	NAME.user		who, with which number and shell
 *	NAME.user-privileged	the password's hash; readable by root alone
 *	NUMBER.user		a link to the first, and NUMBER.user-privileged to the second
 *	NAME:GROUP.membership	one for each group of the role (lib/role.h)
 *
 * The account admin is the image's own (/etc/passwd, shadow); it has none of these files. The
 *number comes from the name, so that an account that is made again is the same one; two names with
 *the same number are told apart by counting on, in the order of the configuration.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-json.h>

#define ACCOUNT_FIRST 10000
#define ACCOUNT_COUNT 50000

/* Of the user at this place of `system user`. */
uid_t account_number(sd_json_variant *config, size_t index);
/* True for the account that comes with the image. */
bool account_is_built_in(sd_json_variant *user);
char *account_record(sd_json_variant *user, uid_t number);
char *account_secret(sd_json_variant *user);
/* Groups of the user's role, NULL after the last; at most 3. */
const char *const *account_groups(sd_json_variant *user);
