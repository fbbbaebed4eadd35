/*
 * defrag: puts IP fragments together.
 *
 * defrag_add() takes a fragment (DECODE_FRAGMENT). When it completes its packet, the packet is
 * there as bytes from the IP header on, without fragment header and offset, for decode_whole().
 * Live traffic rarely comes here: the kernel's connection tracking reassembles before the queue.
 *
 * Overlap: IPv4 fragments that overlap are settled by the policy BSD (bytes that came first stand,
 * unless the new fragment begins before); IPv6 fragments must not overlap (RFC 5722): the whole
 * packet is given up. Both are events of the packet.
 *
 * Limits: DEFRAG_TRACKERS packets at once and DEFRAG_BYTES kept by all of them; the oldest is given
 * up (counted); DEFRAG_S seconds for one packet; 65535 bytes of it. What is given up is not
 * inspected, and its receiver gives it up by the same rules.
 */
#pragma once

#include "inspect/counter.h"
#include "inspect/decode.h"

#define DEFRAG_TRACKERS 1024
#define DEFRAG_BYTES (8u << 20)
#define DEFRAG_S 60
#define DEFRAG_PIECES 512 /* fragments of one packet */

struct defrag;

int defrag_new(struct counters *counters, struct defrag **ret);
void defrag_free(struct defrag *d);
/* True: complete, *ret_whole lives until the next call. Oddities are raised in *events. */
bool defrag_add(struct defrag *d, const struct packet *p, struct event_list *events,
	struct span *ret_whole);
