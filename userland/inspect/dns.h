/*
 * dns: reads the questions of DNS messages, over UDP and TCP. Source: RFC 1035, section 4.
 *
 * One unit for each question; the name is given as text, labels joined by dots, bytes as they came.
 *
 * Limits: DNS_QUESTIONS a message are read, further ones are left; over TCP the first
 * DNS_MESSAGE_BYTES of a message are looked at: questions come first. Refuses: names that point
 * forward or in a circle, labels over 63 bytes, names over 255 (READER_FAILED).
 */
#pragma once

#include "inspect/reader.h"

#define DNS_QUESTIONS 16
#define DNS_MESSAGE_BYTES 4096
#define DNS_NAME_BYTES 256

/* Whether a message of the usual form begins here. */
enum sniff dns_sniff(struct span message);
/* "A", or NULL. */
const char *dns_type_name(uint16_t type);
const char *dns_rcode_name(uint8_t rcode);
