/*
 * frame: one Ethernet frame of a made-up TCP connection, headers and checksums right.
 *
 * The kernel's connection tracking and the engine both check them.
 */
#pragma once

#include <stdint.h>

#include "lib/span.h"

#define FRAME_BYTES 1024
#define FRAME_SERVER_PORT 80

enum frame_flags { FRAME_FIN = 1, FRAME_SYN = 2, FRAME_RST = 4, FRAME_PSH = 8, FRAME_ACK = 16 };

struct frame {
	bool from_client;
	uint16_t client_port;
	uint32_t seq, ack;
	uint8_t flags;
	const char *payload;
};

/* Bytes written to out; 0 when it does not fit. */
size_t frame_make(const struct frame *f, uint8_t out[FRAME_BYTES]);
/* Is it this frame, as far as addresses, ports and numbers go? */
bool frame_is(struct span in, const struct frame *f);
