/*
 * dns: DNS messages, over UDP and TCP. Source: RFC 1035, section 4.
 *
 * Each message is a unit and a transaction of its own; the names of its questions are given as
 * text, labels joined by dots, bytes as they came. Answers are read when the log is written.
 *
 * Limits: DNS_QUESTIONS and DNS_RECORDS of a message are read, further ones are left; over TCP the
 * first DNS_MESSAGE_BYTES of a message are looked at: questions come first. Refuses: names that
 * point forward or in a circle, labels over 63 bytes, names over 255 (READER_FAILED).
 */
#pragma once

#include "inspect/reader.h"

#define DNS_QUESTIONS 16
#define DNS_RECORDS 64
#define DNS_MESSAGE_BYTES 16384
#define DNS_NAME_BYTES 256

/* Whether a message of the usual form begins here. strict: on a port where nobody expects DNS, a
 * question must be there whole. */
enum sniff dns_sniff(struct span message, bool strict);
