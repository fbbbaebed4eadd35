/*
 * lane: how a call moves from the workers for small messages to those for large ones.
 *
 * All calls come in over one socket. A worker of the small lane that finds a large message in its
 * hands, or one that takes longer than LANE_SMALL_MS, passes connection and message on over a
 * socket pair that all workers of one engine share, and is free again. So a 50 MB archive, or a
 * small one that takes long to unpack, waits behind its like only.
 *
 * Limits: the socket's buffer, some hundred calls; then lane_send() says -EAGAIN and the client is
 * told Busy, which defers the mail.
 */
#pragma once

#include "scan/call.h"

#define LANE_SMALL_MS 2000

/* Ends of the pair: [0] is received from, [1] sent to. */
int lane_open(int ret_fds[2]);
/* The call is the lane's on success: descriptors are closed here. */
int lane_send(int fd, struct call *c);
/* -EAGAIN when there is none. */
int lane_receive(int fd, struct call *ret);
