/* Routes and rules of the mail path, and in mode bridge the devices of the VLANs with mail. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/applier.h"
#include "config/networkd.h"
#include "lib/cleanup.h"
#include "lib/mark.h"

/* In the order of their priorities; what the box sends itself comes before what it takes in. */
enum { RULE_VLAN = TABLE_LOCAL - 4, RULE_OWN, RULE_PORT, RULE_LOCAL = TABLE_LOCAL };

static const char *const anywhere[] = {"0.0.0.0/0", "::/0"};

static void put_rule(FILE *out, int priority, const char *table, const char *match)
{
	fprintf(out, "\n[RoutingPolicyRule]\nFamily=both\nPriority=%d\nTable=%s\n%s", priority,
		table, match);
}

static void put_mark_rule(
	FILE *out, int priority, const char *table, const char *match, unsigned mark, unsigned mask)
{
	char text[96];

	snprintf(text, sizeof(text), "%sFirewallMark=%u/%u\n", match, mark, mask);
	put_rule(out, priority, table, text);
}

/* Everything is an address of this box. */
static void put_local_table(FILE *out)
{
	char table[16];

	snprintf(table, sizeof(table), "%d", TABLE_LOCAL);
	for (int i = 0; i < 2; i++)
		fprintf(out, "\n[Route]\nType=local\nDestination=%s\nTable=%s\n", anywhere[i],
			table);
	put_mark_rule(out, RULE_LOCAL, table, "", MARK_LOCAL, MARK_LOCAL);
}

/* Everything is behind this device. */
static void put_default(FILE *out, int table)
{
	for (int i = 0; i < 2; i++)
		fprintf(out, "\n[Route]\n%sDestination=%s\nTable=%d\n", i ? "" : "Scope=link\n",
			anywhere[i], table); /* IPv6 routes have no scope */
}

static void put_silent(FILE *out, const char *device)
{
	fprintf(out,
		"[Match]\nName=%s\n\n[Link]\nARP=no\nRequiredForOnline=no\n\n"
		"[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n"
		"ConfigureWithoutCarrier=yes\nIgnoreCarrierLoss=yes\n",
		device);
}

static int put_text(networkd_put_t put, void *ctx, const char *file, struct text *t)
{
	_cleanup_free_ char *text = text_close(t);

	return text ? put(ctx, file, text) : -ENOMEM;
}

static int put_vlan(unsigned id, networkd_put_t put, void *ctx)
{
	char device[16], file[64], table[16];
	struct text t;

	if (text_open(&t) < 0)
		return -ENOMEM;
	snprintf(device, sizeof(device), BRIDGE ".%u", id);
	snprintf(table, sizeof(table), "%u", TABLE_MAIL_VLAN + id);
	fprintf(t.out, "[NetDev]\nName=%s\nKind=vlan\n\n[VLAN]\nId=%u\n", device, id);
	snprintf(file, sizeof(file), NETWORKD_PREFIX "%s.netdev", device);
	int r = put_text(put, ctx, file, &t);
	if (r < 0)
		return r;
	if (text_open(&t) < 0)
		return -ENOMEM;
	put_silent(t.out, device);
	put_default(t.out, TABLE_MAIL_VLAN + (int)id);
	put_mark_rule(t.out, RULE_VLAN, table, "IncomingInterface=lo\n",
		id << MARK_VLAN_SHIFT | MARK_BRIDGED, MARK_VLAN_MASK | MARK_BRIDGED);
	snprintf(file, sizeof(file), NETWORKD_PREFIX "%s.network", device);
	return put_text(put, ctx, file, &t);
}

int networkd_put_mail_bridge(sd_json_variant *config, networkd_put_t put, void *ctx)
{
	sd_json_variant *vlan;
	char table[16];
	struct text t;

	if (text_open(&t) < 0)
		return -ENOMEM;
	snprintf(table, sizeof(table), "%d", TABLE_MAIL);
	put_silent(t.out, BRIDGE);
	config_foreach(vlan, config, "interfaces.bridge.vlan")
	{
		fprintf(t.out, "VLAN=" BRIDGE ".%u\n", (unsigned)sd_json_variant_unsigned(vlan));
	}
	put_default(t.out, TABLE_MAIL);
	put_local_table(t.out);
	/* Mail that the box itself relays goes as its other traffic does, by ARP and the main
	 * table. */
	put_mark_rule(t.out, RULE_OWN, "main", "", MARK_RELAY, MARK_RELAY);
	put_rule(t.out, RULE_PORT, table, "IncomingInterface=lo\nIPProtocol=tcp\nSourcePort=25\n");
	put_rule(t.out, RULE_PORT, table,
		"IncomingInterface=lo\nIPProtocol=tcp\nDestinationPort=25\n");
	int r = put_text(put, ctx, NETWORKD_PREFIX BRIDGE ".network", &t);
	config_foreach(vlan, config, "interfaces.bridge.vlan")
	{
		if (r >= 0)
			r = put_vlan((unsigned)sd_json_variant_unsigned(vlan), put, ctx);
	}
	return r;
}

int networkd_put_mail_route(networkd_put_t put, void *ctx)
{
	struct text t;

	if (text_open(&t) < 0)
		return -ENOMEM;
	/* On lo, which is there whatever is plugged in. */
	fputs("[Match]\nName=lo\n\n[Link]\nRequiredForOnline=no\n\n[Network]\n"
	      "LinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n",
		t.out);
	put_local_table(t.out);
	/* What maild sends to a client bears the mark that its first packet came with. */
	put_mark_rule(t.out, RULE_OWN, "main", "IncomingInterface=lo\n", MARK_LOCAL, MARK_LOCAL);
	return put_text(put, ctx, NETWORKD_PREFIX "lo.network", &t);
}
