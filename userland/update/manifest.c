#include "update/manifest.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "lib/cleanup.h"

int manifest_load(const char *dir, sd_json_variant **ret)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/current/manifest.json", dir);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? sd_json_build(ret, SD_JSON_BUILD_EMPTY_OBJECT) : -errno;
	if (fstat(fileno(f), &st) < 0 || st.st_size > MANIFEST_BYTES)
		return -EFBIG;
	int r = sd_json_parse_file(f, path, 0, ret, NULL, NULL);
	if (r < 0)
		return -EBADMSG;
	return 0;
}

const char *manifest_version(sd_json_variant *m, const char *source)
{
	sd_json_variant *v = sd_json_variant_by_key(sd_json_variant_by_key(m, source), "version");

	return v && sd_json_variant_is_string(v) ? sd_json_variant_string(v) : "";
}

uint64_t manifest_number(sd_json_variant *m, const char *source, const char *key)
{
	sd_json_variant *v = sd_json_variant_by_key(sd_json_variant_by_key(m, source), key);

	return v && sd_json_variant_is_unsigned(v) ? sd_json_variant_unsigned(v) : 0;
}

uint64_t manifest_count(sd_json_variant *m, const char *source)
{
	return manifest_number(m, source, "count");
}
