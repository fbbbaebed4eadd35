/*
 * install: the role that owns the signature folders. It reads nothing of what it installs.
 *
 *	interface io.sekisho.UpdateInstall
 *	method Install(type: string, source: string, version: string, serial: int, count: int,
 *		names: []string) -> ()
 *	method Sweep() -> ()
 *	error Refused (step: string, why: string)		step: install, activate
 *
 * The files are the call's descriptors, in the order of names. The engine that uses them loads them
 * (engine.h); if it refuses, or is not well afterwards, what was current before is current again,
 *and the engine is told so.
 *
 * Which sources there are is in the settings, which this role reads itself: files of others go out,
 * at once by Sweep. Without settings nothing goes out.
 *
 * Limits: type.h, engine.h.
 */
#pragma once

int install_role(void);
