/* conntrack: the kernel's table of connections. Needs CAP_NET_ADMIN. */
#pragma once

/* Forgets all of them, with their marks. 0 or -errno. */
int conntrack_flush(void);
