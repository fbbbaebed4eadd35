#include "config/list_table.h"

#include <string.h>

#include "config/applier.h"

/* Behind conntrack (-200); before the translation of addresses (-100) and everything that forwards
 * or delivers. */
#define PRIORITY "-140"

static const struct side {
	const char *prefix; /* of counter and chain */
	const char *base;   /* chain that all connections of this direction pass */
	const char *listed, *own;
	char letter; /* of the noted pairs */
	bool inbound;
} sides[] = {
	{"in", "inbound", "saddr", "daddr", 'i', true},
	{"out", "outbound", "daddr", "saddr", 'o', false},
};

static const struct family {
	const char *ip, *protocol, *type;
	int digit;
} families[RANGES_FAMILIES] = {
	[RANGES_V4] = {"ip", "ip", "ipv4_addr", 4},
	[RANGES_V6] = {"ip6", "ip6", "ipv6_addr", 6},
};

#define SIDES (sizeof(sides) / sizeof(*sides))

const char *list_table_family(bool routed)
{
	return routed ? "inet" : "bridge";
}

static bool wants_side(const struct list *l, const struct side *side)
{
	return side->inbound ? l->inbound : l->outbound;
}

static const char *devices(const struct list_table *t, const struct side *side)
{
	return side->inbound ? t->wan : t->lan;
}

sd_json_variant *list_table_find(sd_json_variant *kernel, const char *kind, const char *name)
{
	sd_json_variant *one;

	config_foreach(one, kernel, "nftables")
	{
		sd_json_variant *object = sd_json_variant_by_key(one, kind);
		const char *named = object ? config_str(object, "name") : NULL;
		if (named && strcmp(named, name) == 0)
			return object;
	}
	return NULL;
}

static void put_stay_of(FILE *out, const struct list *l)
{
	for (size_t s = 0; s < SIDES; s++) {
		const struct side *side = &sides[s];
		fprintf(out, "\tcounter %s_%s { }\n\tchain %s_%s { }\n", side->prefix, l->name,
			side->prefix, l->name);
		for (int f = 0; f < RANGES_FAMILIES; f++)
			fprintf(out,
				"\tset h%c%d_%s { type %s . %s; flags dynamic,timeout; "
				"timeout " LIST_HITS_TIMEOUT "; size %d; }\n",
				side->letter, families[f].digit, l->name, families[f].type,
				families[f].type, LIST_HITS_MAX);
	}
}

/* What outlives the transaction, so that the rest can name it. */
static void put_stay(FILE *out, const struct list_table *t)
{
	fprintf(out, "table %s " LIST_TABLE " {\n", list_table_family(t->routed));
	fputs("\tchain prerouting { type filter hook prerouting priority " PRIORITY
	      "; policy accept; }\n\tchain inbound { }\n\tchain outbound { }\n",
		out);
	for (size_t i = 0; i < t->n; i++)
		put_stay_of(out, &t->lists[i]);
	fputs("}\n", out);
}

static bool is_of_list(const struct list_table *t, const char *name)
{
	const char *list = strchr(name, '_');

	for (size_t i = 0; list && i < t->n; i++)
		if (strcmp(t->lists[i].name, list + 1) == 0)
			return true;
	return !list; /* base chains */
}

/* Chains first: they name the others. */
static void put_gone(FILE *out, const struct list_table *t)
{
	static const char *const kinds[] = {"chain", "set", "counter"};
	sd_json_variant *one;

	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
		config_foreach(one, t->kernel, "nftables")
		{
			sd_json_variant *object = sd_json_variant_by_key(one, kinds[k]);
			const char *name = object ? config_str(object, "name") : NULL;
			if (name && !is_of_list(t, name))
				fprintf(out, "destroy %s %s " LIST_TABLE " %s\n", kinds[k],
					list_table_family(t->routed), name);
		}
}

static void put_set(FILE *out, const struct list *l, int f)
{
	fprintf(out, "\tset s%d_%s { type %s; flags interval; ", families[f].digit, l->name,
		families[f].type);
	if (l->set[f].n) {
		fputs("elements = { ", out);
		ranges_put(out, &l->set[f], f == RANGES_V6);
		fputs(" } ", out);
	}
	fputs("}\n", out);
}

static void put_decision(FILE *out, const struct list *l, const struct side *side)
{
	fprintf(out, "\tchain %s_%s {\n\t\tcounter name \"%s_%s\"\n", side->prefix, l->name,
		side->prefix, l->name);
	for (int f = 0; f < RANGES_FAMILIES; f++)
		fprintf(out, "\t\tmeta protocol %s update @h%c%d_%s { %s %s . %s %s counter }\n",
			families[f].protocol, side->letter, families[f].digit, l->name,
			families[f].ip, side->listed, families[f].ip, side->own);
	/* A rule of its own: noting a pair may fail. */
	fprintf(out, "%s\t}\n", l->action == LIST_BLOCK ? "\t\tdrop\n" : "");
}

static void put_side(FILE *out, const struct list_table *t, const struct side *side)
{
	fprintf(out, "\tchain %s {\n", side->base);
	for (size_t i = 0; i < t->n; i++) {
		const struct list *l = &t->lists[i];
		if (!l->in_force || !wants_side(l, side))
			continue;
		for (int f = 0; f < RANGES_FAMILIES; f++)
			fprintf(out, "\t\t%s %s @s%d_%s jump %s_%s\n", families[f].ip, side->listed,
				families[f].digit, l->name, side->prefix, l->name);
	}
	fputs("\t}\n", out);
}

/* Both legs of a mail are untracked (ruleset.c): of those the server's port tells the direction. */
static void put_base(FILE *out, const struct list_table *t)
{
	fputs("\tchain prerouting {\n"
	      "\t\tct direction reply accept\n"
	      "\t\tct state untracked tcp sport 25 tcp dport != 25 accept\n",
		out);
	for (size_t s = 0; s < SIDES; s++)
		if (devices(t, &sides[s]))
			fprintf(out, "\t\tiifname %s jump %s\n", devices(t, &sides[s]),
				sides[s].base);
	fputs("\t}\n", out);
}

void list_table_put(FILE *out, const struct list_table *t)
{
	const char *family = list_table_family(t->routed);

	fprintf(out, "destroy table %s " LIST_TABLE "\n", list_table_family(!t->routed));
	if (t->n == 0) {
		fprintf(out, "destroy table %s " LIST_TABLE "\n", family);
		return;
	}
	put_stay(out, t);
	fprintf(out, "flush table %s " LIST_TABLE "\n", family);
	put_gone(out, t);
	for (size_t i = 0; i < t->n; i++)
		for (int f = 0; t->lists[i].fresh && f < RANGES_FAMILIES; f++)
			fprintf(out, "destroy set %s " LIST_TABLE " s%d_%s\n", family,
				families[f].digit, t->lists[i].name);
	fprintf(out, "table %s " LIST_TABLE " {\n", family);
	for (size_t i = 0; i < t->n; i++) {
		const struct list *l = &t->lists[i];
		for (int f = 0; l->fresh && f < RANGES_FAMILIES; f++)
			put_set(out, l, f);
		for (size_t s = 0; s < SIDES; s++)
			put_decision(out, l, &sides[s]);
	}
	for (size_t s = 0; s < SIDES; s++)
		put_side(out, t, &sides[s]);
	put_base(out, t);
	fputs("}\n", out);
}
