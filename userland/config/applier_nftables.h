/* The link watch (link.h) tells it when a port or the bridge came, went or changed its MAC address.
 */
#pragma once

void applier_nftables_links_changed(void);
/* configd's minute: a schedule may have begun or ended. */
void applier_nftables_minute_passed(void);
