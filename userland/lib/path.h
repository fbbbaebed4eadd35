/*
 * path: where things lie on the appliance. The only place that spells these folders.
 *
 * Tests move them with SEKISHO_RUN (default /run/sekisho), SEKISHO_DATA (/data) and SEKISHO_SHARE
 * (/usr/share/sekisho). Results live until the process ends.
 */
#pragma once

/* Control sockets, rendered configuration. "" gives the folder itself. */
const char *path_run(const char *name);
/* What survives a restart: config/, sig/, update/, log/, cache/, ssh/. */
const char *path_data(const char *name);
/* What came with the image: yang/, rules/, the engine test samples. */
const char *path_share(const char *name);
