/* The lease watch (configd.c) tells it when networkd wrote a link's state. */
#pragma once

#include <stdbool.h>

/* True when resolv.conf changed: whoever has read it must read it again. */
bool applier_system_leases_changed(void);
