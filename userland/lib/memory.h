/*
 * memory: how much of it this process may still take before somebody is killed for it.
 *
 * The least of what the kernel says is available (MemAvailable) and of what the limits of this
 * process's cgroups (version 2: memory.max of its unit and those above) leave; what a cgroup holds
 * of files that need not be kept counts as free. Where there is no such cgroup, only the first.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* In bytes; 0 when the kernel does not tell. SEKISHO_MEMINFO moves /proc/meminfo in tests. */
uint64_t memory_available(void);
/* What the cgroups of this path ("/system.slice/scand.service") below the root folder leave;
 * UINT64_MAX when none of them has a limit. */
uint64_t memory_cgroups_left(const char *root, const char *path);
/* When memory runs out all the same, the kernel ends this process, and those it forks, first. */
void memory_volunteer(bool first);
