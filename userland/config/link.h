/* link: calls back when a network link came, went or changed (rtnetlink). */
#pragma once

#include <systemd/sd-event.h>

int link_watch(sd_event *event, void (*changed)(void));
/* Removes a device that the configuration made. */
int link_delete(const char *name);
