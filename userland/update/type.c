#include "update/type.h"

#include <stddef.h>
#include <string.h>

static const struct signature_type types[] = {
	{
		.name = "rules",
		.engine = "inspectd",
		.trial_option = "-S",
		.trial_files = "/*.rules",
		.unit = "rules",
		.archive = true,
		.extensions = {".rules"},
	},
	{
		.name = "clamav",
		.engine = "scand",
		.trial_files = "",
		.tried_again = true,
		.unit = "signatures",
		.extensions = {".cvd", ".cld", ".ndb", ".hdb", ".hsb", ".ldb"},
	},
	{
		.name = "addresses",
		.engine = "inspectd",
		.unit = "addresses",
		.list = LIST_ADDRESSES,
		.list_name = "addresses.txt",
		.extensions = {".txt"},
	},
	{
		.name = "domains",
		.engine = "inspectd",
		.unit = "domains",
		.list = LIST_DOMAINS,
		.list_name = "domains.txt",
		.extensions = {".txt"},
	},
};

const struct signature_type *type_find(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (name && strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

const struct signature_type *type_at(unsigned i)
{
	return i < sizeof(types) / sizeof(*types) ? &types[i] : NULL;
}

static bool name_ok(const char *name, size_t max)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

	return name && *name && *name != '.' && *name != '-' && strlen(name) <= max &&
	       name[strspn(name, letters)] == '\0';
}

bool file_name_ok(const char *name)
{
	return name_ok(name, FILE_NAME_CHARS);
}

bool type_accepts(const struct signature_type *type, const char *file_name)
{
	if (!file_name_ok(file_name))
		return false;
	const char *dot = strrchr(file_name, '.');
	for (const char *const *e = type->extensions; dot && *e; e++)
		if (strcmp(dot, *e) == 0)
			return true;
	return false;
}

bool source_name_ok(const char *name)
{
	return name_ok(name, SOURCE_NAME_CHARS);
}

bool version_ok(const char *version)
{
	return version && strlen(version) == 16 && strspn(version, "0123456789abcdef") == 16;
}
