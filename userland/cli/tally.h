/*
 * tally: adds flows up by a name: application, source, destination.
 *
 * Limits: TALLY_MAX names; what comes after is counted as "(others)".
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-json.h>

#define TALLY_MAX 1024

struct tally {
	struct tally_row {
		char name[64];
		uint64_t flows, bytes;
	} row[TALLY_MAX];
	unsigned n;
};

void tally_add(struct tally *t, const char *name, uint64_t flows, uint64_t bytes);
/* The largest by bytes, as [{name, flows, bytes}]; -ENOMEM. */
int tally_json(struct tally *t, unsigned limit, sd_json_variant **ret);
