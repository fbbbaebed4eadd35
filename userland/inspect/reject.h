/*
 * reject: turns a packet of a TCP connection into a reset, in place.
 *
 * inspectd has no socket that could send: it answers the queue, and the answer may hold other bytes
 * than the packet had. So a connection that a rule rejects is reset from the inside (ADR 0010):
 *
 *	the packet that offends    goes on as RST: its receiver drops the connection
 *	whatever its sender sends  goes on as an ACK without data: the receiver, which knows
 *	  afterwards               no such connection any more, answers RST to the sender
 *	that RST                   passes; all else is dropped
 *
 * Both ends so get a real reset with the right numbers from the address they talk to, bridged or
 * routed. The second comes when the sender repeats itself, one retransmission time-out later.
 *
 * Refuses: what is no TCP segment, or a SYN (an end that has not got its answer takes no such RST):
 * 0 bytes, the packet is to be dropped. UDP that is rejected is answered by the rules
 *(MARK_REJECT). Source: RFC 9293, section 3.10.7.
 */
#pragma once

#include "inspect/decode.h"

#define REJECT_BYTES 128 /* IP header with options and TCP header */

enum reject_as { REJECT_AS_RST, REJECT_AS_ACK };

/* Bytes written: an IP packet. */
size_t reject_write(const struct packet *p, enum reject_as as, uint8_t out[static REJECT_BYTES]);
