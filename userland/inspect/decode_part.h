/*
 * decode_part: the layers of the decoder, each in a file. Private to decode*.c.
 *
 * Each takes the bytes from its header on and fills what it knows of the packet; the oddities it
 * meets are events of the packet.
 */
#pragma once

#include "inspect/decode.h"

enum decode_result decode_ethertype(struct cursor c, uint16_t type, struct packet *p);
enum decode_result decode_ppp(struct cursor c, struct packet *p);
enum decode_result decode_network(struct span bytes, struct packet *p);
/* By p->ip_proto. */
enum decode_result decode_transport(struct cursor c, struct packet *p);
/* GRE, and what is carried in UDP: sets p->inner. */
enum decode_result decode_gre(struct cursor c, struct packet *p);
void decode_udp_tunnel(struct packet *p);

static inline enum decode_result decode_odd(struct packet *p, enum event_id id)
{
	event_raise(&p->events, id);
	return DECODE_INVALID;
}
