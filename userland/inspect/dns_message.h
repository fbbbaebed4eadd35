/*
 * dns_message: reads and prints one DNS message. Pure functions over its bytes.
 *
 * Limits and refusals: dns.h. Sources: RFC 1035, section 4.1; RFC 3596; RFC 2782; RFC 9460.
 */
#pragma once

#include "inspect/dns.h"

struct dns_header {
	uint16_t id, flags;
	uint16_t count[4]; /* questions, answers, authorities, additionals */
};

struct dns_record {
	char name[DNS_NAME_BYTES];
	size_t name_n;
	uint16_t type, class;
	uint32_t ttl;
	struct span data;
};

enum dns_name { DNS_NAME_OK, DNS_NAME_CUT, DNS_NAME_LOOP, DNS_NAME_LONG, DNS_NAME_BAD };

struct dns_header dns_header_read(struct cursor *c);
/* Writes the name at the cursor as text. A pointer must go backwards, so following them ends. */
enum dns_name dns_name_read(
	struct span message, struct cursor *c, char out[static DNS_NAME_BYTES], size_t *ret_n);
bool dns_question_read(struct span message, struct cursor *c, struct dns_record *ret);
bool dns_record_read(struct span message, struct cursor *c, struct dns_record *ret);
/* "A", or NULL. */
const char *dns_type_name(uint16_t type);
const char *dns_rcode_name(uint8_t rcode);
/* The "dns" object: as the event of a message, or beside an alert. */
void dns_message_put(struct jsonw *w, struct span message, uint32_t tx_id, bool whole);
