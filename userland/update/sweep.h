/*
 * sweep: after a change of the settings, what sources that are gone have left is taken out: their
 * installed files, by a call to verify that passes it on, and what fetch had of their downloads.
 *
 * Nobody waits for the call; when verify does not answer the next delivery does the same.
 */
#pragma once

#include <systemd/sd-varlink.h>

#include "update/source.h"

/* The call in *link, which is the caller's to close; an earlier one is given up. */
void sweep_ask(sd_event *event, sd_varlink **link);
/* Folders of downloads that belong to no source. */
void sweep_downloads(const struct source_list *l);
