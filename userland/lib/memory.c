#include "lib/memory.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

#define CGROUPS "/sys/fs/cgroup"

static const char *meminfo_path(void)
{
	const char *path = getenv("SEKISHO_MEMINFO");

	return path && *path ? path : "/proc/meminfo";
}

static uint64_t kernel_available(void)
{
	_cleanup_fclose_ FILE *f = fopen(meminfo_path(), "re");
	char line[128];
	uint64_t kb;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &kb) == 1)
			return kb << 10;
	return 0;
}

/* False when the file is not there or says "max". */
static bool number_read(const char *folder, const char *name, uint64_t *ret)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return false;
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	return f && fscanf(f, "%" SCNu64, ret) == 1;
}

static uint64_t files_of(const char *folder)
{
	char path[PATH_MAX], line[128];
	uint64_t bytes;

	if (snprintf(path, sizeof(path), "%s/memory.stat", folder) >= (int)sizeof(path))
		return 0;
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "inactive_file %" SCNu64, &bytes) == 1)
			return bytes;
	return 0;
}

uint64_t memory_cgroups_left(const char *root, const char *path)
{
	uint64_t least = UINT64_MAX, limit, used;
	size_t root_length = strlen(root);
	char folder[PATH_MAX];

	if (snprintf(folder, sizeof(folder), "%s%s", root, path) >= (int)sizeof(folder))
		return least;
	for (;;) {
		if (number_read(folder, "memory.max", &limit) &&
			number_read(folder, "memory.current", &used)) {
			uint64_t files = files_of(folder);
			used -= used < files ? used : files;
			uint64_t left = limit > used ? limit - used : 0;
			least = left < least ? left : least;
		}
		char *slash = strrchr(folder, '/');
		if (!slash || (size_t)(slash - folder) < root_length)
			return least;
		*slash = '\0';
	}
}

uint64_t memory_available(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/cgroup", "re");
	uint64_t available = kernel_available(), left = UINT64_MAX;
	char line[PATH_MAX];

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::/", 4) == 0)
			left = memory_cgroups_left(CGROUPS, line + 3);
	}
	return left < available ? left : available;
}

void memory_volunteer(bool first)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/oom_score_adj", "we");

	if (f)
		fputs(first ? "1000" : "0", f);
}
