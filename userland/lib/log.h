/*
 * log: one line to the journal for the operator of the box. Events about traffic go to eve.h.
 *
 * Lines go to standard error with the journal's level prefix. Library code does not log; whoever
 * owns the unit of work logs its outcome once.
 */
#pragma once

#include <syslog.h>

void log_line(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
