/*
 * interrupt: Ctrl-C.
 *
 * While a command runs, Ctrl-C asks it to stop: it leaves its loop, gives back what it holds and
 * ends. It never stops what a daemon has begun; a commit is not interrupted at all. While a line is
 * edited, Ctrl-C is a key (editor.c).
 */
#pragma once

#include <stdbool.h>

#define CLI_INTERRUPTED 130 /* exit code, as of a shell */

/* System calls are not restarted after the signal. */
void interrupt_init(bool interactive);
/* Forgets one that came before. */
void interrupt_clear(void);
bool interrupted(void);
/* The pager's key for it, and tests. */
void interrupt_raise(void);
