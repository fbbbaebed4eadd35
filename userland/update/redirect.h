/*
 * redirect: whether a server's redirection is followed.
 *
 * Refuses: another scheme than http and https; from https to http; without https, to another host:
 * a stranger on the way could send us anywhere.
 */
#pragma once

#include <stdbool.h>

/* NULL: it is followed; else why not, a constant. */
const char *redirect_refuse(const char *from, const char *to);
/* Scheme, host and port. */
bool redirect_is_same_host(const char *from, const char *to);
