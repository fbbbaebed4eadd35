/*
 * unit: a systemd unit that lives by a rendered file.
 *
 * systemd is asked through `systemctl`, which uses its private socket: there is no D-Bus on the
 * appliance. Nothing is waited for, since at boot the unit may itself be waiting for configd;
 * without systemd (tests) only the file is written. Units begin at boot by themselves when their
 * file is there.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* verb: "restart", "stop", ... */
void unit_run(const char *verb, const char *unit);
/* Writes text to path, or removes it when text is NULL, and starts or stops the unit when that
 * changed something. at_start: only the file. */
int unit_follow(const char *unit, const char *path, const char *text, bool at_start);
