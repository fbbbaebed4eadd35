/*
 * program: another program of the image, called by name and without a shell.
 *
 * It is looked for beside this one, then in /usr/bin. Ctrl-C ends it.
 */
#pragma once

#define PROGRAM_BYTES_MAX (1u << 20) /* of its output; the rest is not read */

/* Its standard output, with input from stdin_fd. 0; a failure has been printed. */
int program_read(const char *const *argv, int stdin_fd, char **ret);
