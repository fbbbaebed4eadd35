/*
 * zone: answers DNS questions from a JSON file instead of the network, for mailcheck and tests.
 *
 *	{"example.com": [{"TXT": "v=spf1 -all"}, {"A": "192.0.2.1"}, {"MX": [10,
 *"mail.example.com"]}], "slow.example.com": ["TIMEOUT"]}
 *
 * TXT may be a list of strings, which are joined. {"TXT": "TIMEOUT"} fails that type only. CNAME is
 * followed. A name that is not in the file does not exist.
 */
#pragma once

#include <systemd/sd-json.h>

#include "mailauth/dns.h"

/* Answers every open question of the table. */
void zone_answer(sd_json_variant *zone, struct dns_table *t);
