/*
 * control: the control socket that every daemon has, a Varlink service.
 *
 * `sekisho` asks it for Status; configd has it Check a configuration before a commit and Reload it
 * after. The socket comes from systemd (sekisho-control@<daemon>.socket, file descriptor name
 * "control") whose owner and mode say who may connect; run by hand, the daemon listens on
 * path_run("<daemon>.varlink") itself.
 *
 * Behind the one socket stand three servers, one a role (role.h): a connection is given to that of
 * its peer, and finds there the methods that the role may call and no others. What a room binds to
 * the server of control_new() only an admin finds; control_allow() opens a method to a lower role.
 *
 *	interface io.sekisho.Daemon
 *	method Status() -> (status: object)
 *	method Check(config: object) -> ()
 *	method Reload() -> ()
 *	error Invalid (why: string)
 *
 * Status is for everybody who may connect. The configuration object of Check is the same JSON that
 * config_load() reads.
 *
 * Limits: CONTROL_CONNECTIONS a role, so that auditors cannot keep an admin out; more are closed.
 */
#pragma once

#include <systemd/sd-event.h>
#include <systemd/sd-json.h>
#include <systemd/sd-varlink.h>

#include "lib/role.h"

#define CONTROL_INVALID "io.sekisho.Daemon.Invalid"
#define CONTROL_CONNECTIONS 64

struct control_ops {
	const char *daemon; /* "inspectd" */
	/* Any object; lib adds "daemon" and "uptime_s". */
	int (*status)(void *ctx, sd_json_variant **ret);
	/* 0, or -errno with *ret_why (heap) saying what a person must change. NULL: all is
	 * accepted. */
	int (*check)(void *ctx, sd_json_variant *config, char **ret_why);
	/* Reads the rendered configuration again; on failure the old one stays. NULL: nothing to
	 * do. */
	int (*reload)(void *ctx, char **ret_why);
	/* Instead of reload, where that takes long: the room keeps a reference to the link and
	 * answers with control_reloaded(). */
	void (*reload_begin)(void *ctx, sd_varlink *link);
};

/* Starts answering on the event loop. ops and ctx must outlive the server. More methods of the
 * room's own may be bound to the result with sd_varlink_server_bind_method(), for admins. */
int control_new(sd_event *event, const struct control_ops *ops, void *ctx, sd_varlink_server **ret);
/* Answers a Reload: r is 0, or -errno with why or NULL. */
int control_reloaded(sd_varlink *link, int r, const char *why);
/* Binds a method for this role and those above it. server is control_new()'s. */
int control_allow(sd_varlink_server *server, enum role least, const char *method,
	sd_varlink_method_t method_fn);
/* sd_varlink_server_bind_disconnect() for the connections of every role. */
int control_on_disconnect(sd_varlink_server *server, sd_varlink_disconnect_t disconnect);

/* A further Varlink server on a socket of systemd's with this file descriptor name, or, run by
 * hand, on path_run("<name>.varlink"). For the data sockets (scan, mailauth, maildial): file
 * descriptors may be passed with a call. */
int control_listen(sd_event *event, const char *name, void *ctx, sd_varlink_server **ret);

/* The one listening socket of that name, non-blocking, as control_listen() takes it: for who serves
 * it with wire.h. -errno. */
int control_socket(const char *name);

/* Number of sockets systemd passed under this name, their descriptors in fds (at most max). */
int control_sockets(const char *name, int *fds, int max);
