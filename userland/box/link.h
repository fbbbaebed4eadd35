/* link: makes and removes network links by rtnetlink. 0 or -errno. */
#pragma once

/* A bridge that forwards at once. */
int link_add_bridge(const char *name);
/* Two ends of one wire, both up; the second in the bridge. */
int link_add_wire(const char *name, const char *in_bridge, const char *bridge);
int link_delete(const char *name);
