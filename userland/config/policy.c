#include "config/policy.h"

#include <stdlib.h>
#include <string.h>

#include "config/applier.h"
#include "config/network.h"
#include "config/ruleset.h"
#include "config/schedule.h"
#include "lib/cleanup.h"
#include "lib/mark.h"

#define ND \
	"nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert, " \
	"mld-listener-query, mld-listener-report, mld2-listener-report"

static size_t count(sd_json_variant *config, const char *list)
{
	sd_json_variant *v = config_at(config, list);

	return v ? sd_json_variant_elements(v) : 0;
}

/* A list of the schema by the names of its entries: policies name each other's parts thousands of
 * times. */
struct book {
	struct entry {
		const char *name;
		sd_json_variant *v;
	} *entries;
	size_t n;
};

enum { ZONES, ADDRESSES, SERVICES, SCHEDULES, BOOKS };

struct policies {
	sd_json_variant *config;
	struct book books[BOOKS];
	bool routed;
	bool mail; /* the chain for what maild takes, before it is known to be routed */
	const struct tm *now;
};

static int by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void book_fill(struct book *b, sd_json_variant *config, const char *list)
{
	sd_json_variant *one;

	*b = (struct book){.entries = calloc(count(config, list) + 1, sizeof(*b->entries))};
	if (!b->entries)
		return;
	config_foreach(one, config, list)
	{
		b->entries[b->n++] = (struct entry){config_str(one, "name"), one};
	}
	qsort(b->entries, b->n, sizeof(*b->entries), by_name);
}

/* Entry of a list by its name. */
static sd_json_variant *find(const struct policies *c, int book, const char *name)
{
	const struct book *b = &c->books[book];
	struct entry key = {.name = name},
		     *found = b->n ? bsearch(&key, b->entries, b->n, sizeof(key), by_name) : NULL;

	return found ? found->v : NULL;
}

/* Is there anything of this family under the addresses that the policy names? No names: anything.
 */
static bool has_family(
	const struct policies *c, sd_json_variant *policy, const char *which, bool v6, FILE *out)
{
	sd_json_variant *names = config_at(policy, which), *prefix;
	bool any = false;

	for (size_t i = 0; names && i < sd_json_variant_elements(names); i++) {
		sd_json_variant *name = sd_json_variant_by_index(names, i);
		sd_json_variant *address = find(c, ADDRESSES, sd_json_variant_string(name));
		config_foreach(prefix, address, "prefix")
		{
			const char *text = sd_json_variant_string(prefix);
			if (!strchr(text, ':') == v6)
				continue;
			if (out)
				fprintf(out, "%s%s", any ? ", " : "", text);
			any = true;
		}
	}
	return any;
}

static bool is_named(sd_json_variant *policy, const char *which)
{
	return count(policy, which) > 0;
}

/* Elements of all services of the policy, "tcp" or "udp" ports or "protocol" numbers. */
static bool put_services(
	FILE *out, const struct policies *c, sd_json_variant *policy, const char *kind)
{
	sd_json_variant *names = config_at(policy, "service"), *one;
	bool any = false;

	for (size_t i = 0; names && i < sd_json_variant_elements(names); i++) {
		sd_json_variant *name = sd_json_variant_by_index(names, i);
		sd_json_variant *service = find(c, SERVICES, sd_json_variant_string(name));
		config_foreach(one, service, kind)
		{
			if (out)
				fputs(any ? ", " : "", out);
			if (out && sd_json_variant_is_string(one))
				fputs(sd_json_variant_string(one), out);
			else if (out)
				fprintf(out, "%u", (unsigned)sd_json_variant_unsigned(one));
			any = true;
		}
	}
	return any;
}

static bool wants_icmp(const struct policies *c, sd_json_variant *policy)
{
	sd_json_variant *name;

	config_foreach(name, policy, "service")
	{
		if (config_bool(find(c, SERVICES, sd_json_variant_string(name)), "icmp"))
			return true;
	}
	return false;
}

static bool is_in_force(const struct policies *c, sd_json_variant *policy)
{
	const char *name = config_str(policy, "schedule");

	return config_bool(policy, "enabled") &&
	       (!name || schedule_is_active(find(c, SCHEDULES, name), c->now));
}

static const char *table_of(const struct policies *c)
{
	return c->routed ? "inet " POLICY_TABLE : "bridge " POLICY_TABLE;
}

/* A part of its own: what it holds may change without the rules that name it. */
static void put_set(FILE *out, const struct policies *c, unsigned n, const char *what,
	const char *type, const char *elements)
{
	const char *table = table_of(c);
	char name[32];

	snprintf(name, sizeof(name), "p%u_%s", n, what);
	fprintf(out,
		RULESET_SET "add set %s %s { type %s; flags interval; auto-merge; }\n"
			    "flush set %s %s\nadd element %s %s { %s }\n",
		table, name, table, name, type, table, name, table, name, elements);
}

static void put_address_sets(
	FILE *out, const struct policies *c, sd_json_variant *policy, unsigned n)
{
	static const struct {
		const char *which, *name, *type;
		bool v6;
	} rows[] = {
		{"source", "src4", "ipv4_addr", false},
		{"source", "src6", "ipv6_addr", true},
		{"destination", "dst4", "ipv4_addr", false},
		{"destination", "dst6", "ipv6_addr", true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct text t;
		if (text_open(&t) < 0)
			return;
		bool any = has_family(c, policy, rows[i].which, rows[i].v6, t.out);
		_cleanup_free_ char *elements = text_close(&t);
		if (any && elements)
			put_set(out, c, n, rows[i].name, rows[i].type, elements);
	}
}

static void put_service_sets(
	FILE *out, const struct policies *c, sd_json_variant *policy, unsigned n)
{
	static const char *const kinds[][2] = {
		{"tcp", "inet_service"}, {"udp", "inet_service"}, {"protocol", "inet_proto"}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct text t;
		if (text_open(&t) < 0)
			return;
		bool any = put_services(t.out, c, policy, kinds[i][0]);
		_cleanup_free_ char *elements = text_close(&t);
		if (any && elements)
			put_set(out, c, n, kinds[i][0], kinds[i][1], elements);
	}
}

static void put_vlans(FILE *out, sd_json_variant *zone)
{
	sd_json_variant *vlan;
	bool any = false;

	config_foreach(vlan, zone, "vlan")
	{
		fprintf(out, "%s%u", any ? ", " : "vlan id { ",
			(unsigned)sd_json_variant_unsigned(vlan));
		any = true;
	}
	if (any)
		fputs(" } ", out);
}

/* `iifname { ... } vlan id { ... } `; false when the zone has neither, so nothing can be in it. */
static bool put_zone(FILE *out, const struct policies *c, sd_json_variant *policy,
	const char *which, const char *key)
{
	const char *name = config_str(policy, which);
	sd_json_variant *zone = name ? find(c, ZONES, name) : NULL, *member;
	bool routed = c->routed, any = false;
	char device[IFNAMSIZ];

	if (!name)
		return true;
	config_foreach(member, zone, routed ? "network" : "port")
	{
		snprintf(device, sizeof(device), "%s", sd_json_variant_string(member));
		if (routed)
			network_device(
				network_find(c->config, sd_json_variant_string(member)), device);
		if (!*device)
			continue;
		fprintf(out, "%s\"%s\"", any ? ", " : key, device);
		any = true;
	}
	if (any)
		fputs(" } ", out);
	if (!routed)
		put_vlans(out, zone);
	return any || (!routed && count(zone, "vlan"));
}

struct match {
	unsigned n;
	const char *zones;
	const char *name; /* of the policy */
	const char *action;
	bool log;
};

/* The connection goes to inspectd's log before it is decided; what is beyond the rate is not told.
 */
static void put_log(FILE *out, const char *action, const char *name)
{
	fprintf(out, "limit rate %d/second burst %d packets log group %d prefix \"%s %s\"\n",
		POLICY_LOG_PER_SECOND, 2 * POLICY_LOG_PER_SECOND, LOG_GROUP_POLICY, action, name);
}

/* One rule: where from and to, of which family, of which kind. */
static void put_rule(FILE *out, const struct match *m, const char *addresses, const char *kind)
{
	bool reject = strcmp(m->action, "reject") == 0, tcp = strncmp(kind, "tcp", 3) == 0;

	if (m->log) {
		fprintf(out, "\t\t%s%s%s", m->zones, addresses, kind);
		put_log(out, m->action, m->name);
	}
	fprintf(out, "\t\t%s%s%scounter %s comment \"%s\"\n", m->zones, addresses, kind,
		reject && tcp ? "reject with tcp reset" : m->action, m->name);
}

static void put_kinds(FILE *out, const struct policies *c, sd_json_variant *policy,
	const struct match *m, const char *addresses)
{
	static const struct {
		const char *kind, *match;
	} rows[] = {{"tcp", "tcp dport"}, {"udp", "udp dport"}, {"protocol", "meta l4proto"}};
	char kind[64];

	if (!is_named(policy, "service"))
		put_rule(out, m, addresses, "");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (!put_services(NULL, c, policy, rows[i].kind))
			continue;
		snprintf(kind, sizeof(kind), "%s @p%u_%s ", rows[i].match, m->n, rows[i].kind);
		put_rule(out, m, addresses, kind);
	}
	if (wants_icmp(c, policy))
		put_rule(out, m, addresses, "meta l4proto { icmp, ipv6-icmp } ");
}

static void put_policy(FILE *out, const struct policies *c, sd_json_variant *policy, unsigned n)
{
	bool from = is_named(policy, "source"), to = is_named(policy, "destination");
	struct match m = {.n = n,
		.name = config_str(policy, "name"),
		.action = config_str(policy, "action"),
		.log = config_bool(policy, "log")};
	char addresses[128], source[48], destination[48];
	struct text t;

	if (text_open(&t) < 0)
		return;
	bool possible =
		put_zone(t.out, c, policy, "from", "iifname { ") &&
		put_zone(t.out, c, policy, "to", c->mail ? "fib daddr oifname { " : "oifname { ");
	_cleanup_free_ char *zones = text_close(&t);
	if (!possible || !zones)
		return;
	m.zones = zones;
	if (!from && !to)
		put_kinds(out, c, policy, &m, "");
	for (int v6 = 0; v6 < 2 && (from || to); v6++) {
		const char *family = v6 ? "ip6" : "ip";
		if ((from && !has_family(c, policy, "source", v6, NULL)) ||
			(to && !has_family(c, policy, "destination", v6, NULL)))
			continue;
		snprintf(source, sizeof(source), "%s saddr @p%u_src%d ", family, n, v6 ? 6 : 4);
		snprintf(destination, sizeof(destination), "%s daddr @p%u_dst%d ", family, n,
			v6 ? 6 : 4);
		snprintf(addresses, sizeof(addresses), "%s%s", from ? source : "",
			to ? destination : "");
		put_kinds(out, c, policy, &m, addresses);
	}
}

static void put_preamble(FILE *out, bool routed)
{
	if (!routed)
		fputs("\t\tmeta protocol != { ip, ip6 } accept\n"
		      "\t\tiifname \"" MGMT_PORT "\" accept\n"
		      "\t\toifname \"" MGMT_PORT "\" accept\n"
		      "\t\ticmpv6 type { " ND " } accept\n",
			out);
	fputs("\t\tct state established,related accept\n", out);
}

static void put_from_wan(FILE *out, const struct policies *c, bool log)
{
	fputs("\t\tiifname ", out);
	network_put_devices(out, c->config, "wan", NULL);
	fputs(log ? " " : " counter drop\n", out);
	if (log)
		put_log(out, "drop", "");
}

/* What no policy has decided. */
static void put_rest(FILE *out, const struct policies *c)
{
	const char *unmatched = config_str(c->config, "zones.unmatched");
	bool log = config_bool(c->config, "zones.log-unmatched");

	if (c->routed) {
		fputs("\t\tct status dnat accept\n", out);
		if (network_put_devices(NULL, c->config, "wan", NULL)) {
			if (log)
				put_from_wan(out, c, true);
			put_from_wan(out, c, false);
		}
	}
	if (log) {
		fputs("\t\t", out);
		put_log(out, unmatched ? unmatched : "accept", "");
	}
	fprintf(out, "\t\tcounter %s\n", unmatched ? unmatched : "accept");
}

static void put_rules(FILE *out, const struct policies *c)
{
	sd_json_variant *policy;
	unsigned n = 0;

	config_foreach(policy, c->config, "zones.policy")
	{
		if (is_in_force(c, policy))
			put_policy(out, c, policy, n);
		n++;
	}
	put_rest(out, c);
}

/* Mail that maild takes is never forwarded: of mode route, it is asked about when it comes in,
 * behind the port forwards and before TPROXY (ruleset_mail.c). The appliance's own addresses are on
 * the LAN side. */
static void put_mail(FILE *out, struct policies *c)
{
	fprintf(out,
		"\tchain mail {\n\t\ttype filter hook prerouting priority dstnat + 5; policy "
		"accept;\n"
		"\t\tmeta l4proto != tcp accept\n\t\ttcp dport != %d accept\n",
		SMTP_PORT);
	put_preamble(out, true);
	if (network_put_devices(NULL, c->config, "wan", NULL)) {
		fputs("\t\tfib daddr type local iifname != ", out);
		network_put_devices(out, c->config, "wan", NULL);
		fputs(" accept\n", out);
	}
	c->mail = true;
	put_rules(out, c);
	fputs("\t}\n", out);
}

static void put_policies(FILE *out, struct policies *c)
{
	static const char *const chains[] = {"forward", "mail", NULL};
	sd_json_variant *policy;
	unsigned n = 0;

	fprintf(out, "table %s {\n}\n", table_of(c));
	config_foreach(policy, c->config, "zones.policy")
	{
		if (is_in_force(c, policy)) {
			put_address_sets(out, c, policy, n);
			put_service_sets(out, c, policy, n);
		}
		n++;
	}
	fputs(RULESET_PART, out);
	ruleset_put_table(out, table_of(c), "", chains, "");
	fputs("\tchain forward {\n\t\ttype filter hook forward priority -10; policy accept;\n",
		out);
	put_preamble(out, c->routed);
	put_rules(out, c);
	fputs("\t}\n", out);
	if (c->routed && config_bool(c->config, "mail.enabled"))
		put_mail(out, c);
	fputs("}\n", out);
}

void policy_render(FILE *out, sd_json_variant *config, const struct tm *now)
{
	static const char *const lists[BOOKS] = {
		"zones.zone", "zones.address", "zones.service", "zones.schedule"};
	struct policies c = {.config = config, .routed = network_is_routed(config), .now = now};
	const char *unmatched = config_str(config, "zones.unmatched");

	fputs(RULESET_BASE "destroy table bridge " POLICY_TABLE "\ndestroy table inet " POLICY_TABLE
			   "\n",
		out);
	if (!c.routed && !count(config, "zones.policy") &&
		(!unmatched || strcmp(unmatched, "accept") == 0))
		return; /* a cable */
	for (int i = 0; i < BOOKS; i++)
		book_fill(&c.books[i], config, lists[i]);
	put_policies(out, &c);
	for (int i = 0; i < BOOKS; i++)
		free(c.books[i].entries);
}
