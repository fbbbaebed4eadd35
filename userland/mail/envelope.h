/*
 * envelope: who sends what to whom in one session, as the server accepted it.
 *
 * Only what the server answered with 2xx is entered, so the envelope that is checked is the one the
 * server acts on. RSET, EHLO and the end of a message clear the transaction.
 *
 * Limits: an address of up to ENVELOPE_ADDRESS_BYTES is kept whole (RFC 5321 allows 256); a longer
 * one is refused with 501 before it gets here. At the setting max-recipients the client gets 452.
 */
#pragma once

#include <netinet/in.h>

#include "lib/span.h"

#define ENVELOPE_ADDRESS_BYTES 320
#define ENVELOPE_HELO_BYTES 255

struct endpoint {
	char ip[INET6_ADDRSTRLEN];
	uint16_t port;
};

struct envelope {
	struct endpoint client, server;
	uint32_t mark; /* of the client's connection: MARK_BRIDGED and its VLAN, or 0 */
	char helo[ENVELOPE_HELO_BYTES + 1];
	bool has_mail;
	char mail_from[ENVELOPE_ADDRESS_BYTES + 1];
	unsigned rcpt_count;
	char **rcpt; /* room for rcpt_cap */
	unsigned rcpt_cap;
};

/* The VLAN of a mark, 0: none; and back. */
unsigned envelope_vlan(uint32_t mark);
uint32_t envelope_mark(unsigned vlan);
void envelope_helo(struct envelope *e, struct span name);
void envelope_mail(struct envelope *e, struct span address);
/* False when out of memory. */
bool envelope_rcpt(struct envelope *e, struct span address);
/* Ends the transaction; client, server and HELO name stay. */
void envelope_reset(struct envelope *e);

struct sockaddr_storage;
/* An IPv4 address that came over an IPv6 socket is written as IPv4. */
bool endpoint_of(const struct sockaddr_storage *address, struct endpoint *ret);
/* "192.0.2.1:25" or "[2001:db8::1]:25" */
bool endpoint_parse(const char *text, struct endpoint *ret);
/* Family of the address; 0 when it is none. */
int endpoint_sockaddr(
	const char *ip, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_len);
