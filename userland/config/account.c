#include "config/account.h"

#include <stdio.h>
#include <string.h>

#include "config/applier.h"
#include "config/etc.h"
#include "lib/cleanup.h"

#define USERS_MAX 64

/* FNV-1a, 32 bits: any spread will do, but it must never change. */
static uid_t spread(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return ACCOUNT_FIRST + h % ACCOUNT_COUNT;
}

uid_t account_number(sd_json_variant *config, size_t index)
{
	uid_t taken[USERS_MAX];
	sd_json_variant *user;
	size_t n = 0;

	config_foreach(user, config, "system.user")
	{
		if (n == USERS_MAX)
			break;
		uid_t number = spread(config_str(user, "name"));
		for (size_t i = 0; i < n; i++)
			if (taken[i] == number) {
				number = ACCOUNT_FIRST +
					 (number - ACCOUNT_FIRST + 1) % ACCOUNT_COUNT;
				i = (size_t)-1;
			}
		if (n == index)
			return number;
		taken[n++] = number;
	}
	return (uid_t)-1;
}

bool account_is_built_in(sd_json_variant *user)
{
	return strcmp(config_str(user, "name"), ETC_ADMIN) == 0;
}

char *account_record(sd_json_variant *user, uid_t number)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;
	char *text = NULL;

	if (sd_json_buildo(&v, SD_JSON_BUILD_PAIR_STRING("userName", config_str(user, "name")),
		    SD_JSON_BUILD_PAIR_UNSIGNED("uid", number),
		    SD_JSON_BUILD_PAIR_UNSIGNED("gid", number),
		    SD_JSON_BUILD_PAIR_STRING("disposition", "regular"),
		    SD_JSON_BUILD_PAIR_STRING("homeDirectory", "/var/empty"),
		    SD_JSON_BUILD_PAIR_STRING("shell", "/usr/bin/sekisho"),
		    SD_JSON_BUILD_PAIR_BOOLEAN("locked", false)) < 0 ||
		sd_json_variant_format(v, SD_JSON_FORMAT_NEWLINE, &text) < 0)
		return NULL;
	return text;
}

char *account_secret(sd_json_variant *user)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;
	const char *hash = config_str(user, "password-hash");
	char *text = NULL;

	/* Without a password only a key opens the account: no hash is "!". */
	if (sd_json_buildo(&v, SD_JSON_BUILD_PAIR_OBJECT("privileged",
				       SD_JSON_BUILD_PAIR_ARRAY("hashedPassword",
					       SD_JSON_BUILD_STRING(hash ? hash : "!*")))) < 0 ||
		sd_json_variant_format(v, SD_JSON_FORMAT_NEWLINE, &text) < 0)
		return NULL;
	return text;
}

const char *const *account_groups(sd_json_variant *user)
{
	static const char *const all[] = {
		"sekisho-admin", "sekisho-operator", "sekisho-auditor", NULL};
	const char *role = config_str(user, "role");

	if (role && strcmp(role, "admin") == 0)
		return all;
	return all + (role && strcmp(role, "operator") == 0 ? 1 : 2);
}
