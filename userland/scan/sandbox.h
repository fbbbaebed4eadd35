/*
 * sandbox: what a scan worker gives up before it accepts its first message.
 *
 * The systemd unit bounds the whole of scand; a worker, which alone reads mail, goes further: no
 * file but those below its temporary folder (Landlock), no system call outside a short list
 * (seccomp): no new socket, no exec, no signal to another process, and memory, CPU and file size
 * limits.
 *
 * Limits: SANDBOX_* below. At the memory limit libclamav's allocations fail and the scan is an
 * error; at the CPU and file limits the worker dies by signal and the caller loses its connection.
 * Refuses: to go on when seccomp or a limit cannot be set. A kernel without Landlock is told, not
 * refused.
 */
#pragma once

#include <stdbool.h>

#define SANDBOX_MEMORY_BYTES (1024ull << 20) /* on top of what the engine occupies already */
#define SANDBOX_CPU_S 600
#define SANDBOX_FILE_BYTES (512ull << 20)

/* Closes every descriptor but these and the standard three, then enters. -errno on failure. */
int sandbox_enter(const int *keep_fds, unsigned count, const char *tmp);
/* Whether this kernel has Landlock. */
bool sandbox_has_landlock(void);
