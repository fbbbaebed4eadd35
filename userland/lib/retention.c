#include "lib/retention.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/config.h"

#define DAY_S 86400
#define MEGABYTE (1u << 20)
#define MEGABYTES_MAX 100000
#define DAYS_MAX 10000

static uint64_t number(sd_json_variant *local, const char *key, uint64_t max, uint64_t standard)
{
	sd_json_variant *v = local ? sd_json_variant_by_key(local, key) : NULL;
	uint64_t n = v && sd_json_variant_is_unsigned(v) ? sd_json_variant_unsigned(v) : 0;

	return n && n <= max ? n : standard;
}

void retention_load(struct retention *ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *config = NULL;
	sd_json_variant *local = NULL;

	if (config_load("logging", &config) >= 0)
		local = sd_json_variant_by_key(config, "local");
	uint64_t megabytes = number(local, "megabytes", MEGABYTES_MAX, RETENTION_MEGABYTES);
	*ret = (struct retention){
		.file_bytes = megabytes * MEGABYTE / RETENTION_FILES,
		.keep_s = (time_t)number(local, "days", DAYS_MAX, RETENTION_DAYS) * DAY_S,
	};
}

time_t retention_begin(const char *path, time_t now)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	struct tm tm = {0};

	/* every event begins with its time, in UTC (lib/eve.h) */
	if (!f || fscanf(f, "{\"timestamp\":\"%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon,
			  &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return now;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return timegm(&tm);
}

bool retention_is_over(const struct retention *r, time_t begin, time_t now)
{
	return now - begin >= r->keep_s / RETENTION_FILES;
}

void retention_apply(const struct retention *r, const char *folder, time_t now)
{
	char path[4096];

	for (int i = 1; i < RETENTION_FILES; i++) {
		snprintf(path, sizeof(path), "%s/eve.json.%d", folder, i);
		if (now - retention_begin(path, now) >= r->keep_s)
			unlink(path);
	}
}
