/*
 * rdata: record data as DNS sends it, put into an answer (RFC 1035, section 3.3; RFC 3596).
 *
 * Refuses: data that is not what the type says, and names with bytes that are not printable or with
 * a dot inside a label; such a record is left out.
 */
#pragma once

#include "mailauth/dns.h"

void rdata_add(struct dns_answer *a, struct span rdata);
