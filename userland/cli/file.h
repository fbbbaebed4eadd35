/*
 * file: the administrators' folder, data partition export/: configurations saved and read back,
 * captures, tarballs to import. The only files that the command line opens by name.
 *
 * Refuses names with a slash or a leading dot: what is elsewhere is not reached by `load` or
 * `save`. Limits: FILE_BYTES_MAX read.
 */
#pragma once

#include <stdio.h>

#include "cli/command.h"

#define FILE_BYTES_MAX (8u << 20)

/* mode "r", "w"; NULL with the reason printed. */
FILE *file_open(const char *name, const char *mode);
bool file_exists(const char *name);
/* Whole file as text, or NULL with the reason printed. */
char *file_read(const char *name);
/* What is typed on in or comes through a pipe, up to a line with a single dot or the end. */
char *file_read_stream(FILE *in);
void file_complete(const char *prefix, struct candidates *ret);
