/* The link watch (link.h) tells it when a port or the bridge came, went or changed its MAC address.
 */
#pragma once

void applier_nftables_links_changed(void);
