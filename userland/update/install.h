/*
 * install: the role that owns the signature folders. It reads nothing of what it installs.
 *
 *	interface io.sekisho.UpdateInstall
 *	method Install(type: string, source: string, version: string, count: int, names: []string)
 *-> () error Refused (step: string, why: string)		step: install, activate
 *
 * The files are the call's descriptors, in the order of names. The engine that uses them is told by
 * its control socket's Reload; when it is not running it will load them when it starts.
 *
 * Limits: type.h; INSTALL_RELOAD_S for the engine to answer: later counts as a refusal.
 */
#pragma once

#define INSTALL_RELOAD_S 300

int install_role(void);
