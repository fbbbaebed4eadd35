/*
 * replay: mails from files through the same reader and engine that the workers use, without the
 * workers: for the suites and for an operator who wants to know why a mail was refused.
 *
 * Prints one JSON line a file: the reply of report.h with "file" in front. "mime" shows the parts
 * that the reader gives, without an engine.
 */
#pragma once

struct engine;

/* The exit status: 0 when every file could be read. A folder stands for the files in it. */
int replay_scan(const struct engine *e, const char *database, char *const *paths);
int replay_mime(char *const *paths);
