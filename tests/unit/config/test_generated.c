/*
 * Every setting there is, found by walking the schema: it has a help text, takes what it should,
 * refuses what it should not, and survives set, compare, commit, show, export, import and rollback.
 * A setting that this cannot exercise is named and fails the test, so the list of untested settings
 * is always empty.
 */
#include "twin.h"

#define WORDS_MAX 24
#define VALUES_MAX 64

/* A configuration in which each list has an entry and each reference something to name. */
static const char base_lines[] =
	"set interfaces mode route\n"
	"set mail enabled false\n"
	"set interfaces port eth0 side lan\n"
	"set interfaces port eth1 side wan\n"
	"set interfaces network office side lan\n"
	"set interfaces network office port eth0\n"
	"set interfaces network office address 192.168.1.1/24\n"
	"set interfaces network modem side wan\n"
	"set interfaces network modem port eth1\n"
	"set interfaces network modem dhcp true\n"
	"set zones zone inside network office\n"
	"set zones address servers prefix 192.168.1.9/32\n"
	"set zones service web tcp 443\n"
	"set zones schedule office-hours day monday\n"
	"set zones policy first action accept\n"
	"set nat forward web port 80\n"
	"set nat forward web to-address 192.168.1.9\n"
	"set dhcp server office pool-size 50\n"
	"set dhcp server office host printer mac-address 02:00:5e:00:53:01\n"
	"set dhcp server office host printer address 192.168.1.20\n"
	"set routing route branch destination 10.1.0.0/16\n"
	"set routing route branch gateway 192.168.1.254\n"
	"set routing route branch network office\n"
	"set logging syslog central host log.example.org\n"
	"set update source first type rules\n"
	"set update source first url https://example.org/rules.tar.gz\n"
	"set update source names type domains\n"
	"set update source names url https://example.org/names.txt\n"
	"set inspection list names action drop\n";

/* Texts of every form that a setting may want; the first one that its type takes is used. */
static const char *const good[] = {"office", "inside", "servers", "web", "office-hours", "eth0",
	"example.org", "192.0.2.1", "192.0.2.0/24", "192.0.2.1/24", "2001:db8::1", "2001:db8::/32",
	"1", "80", "443", "5000-5010", "08:30", "02:00:5e:00:53:01", "Asia/Tokyo", "UTC",
	"https://example.org/rules.tar.gz", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@here",
	"$y$j9T$abcdefghijklmnopqrstuvwxyz",
	"MIIBszCCAVmgAwIBAgIUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "a remark",
	"user@example.org", "@example.org", "*.example.org", "/data/x", "0123456789abcdef",
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "pdf", ".exe", "ET",
	"2024-01-01", "en", "re:evil", "2000001", "2000001-2000010", "emerging-malware.rules",
	"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3", "http://proxy.example.org:3128",
	"2000001 \"alert\" \"drop\"", "group: emerging-malware"};
/* A secret that no other setting says. */
static const char never_shown[] = "never-shown-7";
static const char *const bad[] = {"!?", "", "99999999999999999999999999", "caf\xc3\xa9"};

static sd_varlink *conn;
static unsigned nodes, values, commits, refused_by_rule;
static char untested[16384];

struct path {
	char *words[WORDS_MAX];
	unsigned n;
};

static bool is_taken(const struct lysc_node *node, const char *value)
{
	LY_ERR r = lyd_value_validate(schema.ctx, node, value, strlen(value), NULL, NULL, NULL);

	return r == LY_SUCCESS || r == LY_EINCOMPLETE;
}

static void report(const struct path *p, const char *why)
{
	size_t n = strlen(untested);

	for (unsigned i = 0; i < p->n && n < sizeof(untested) - 100; i++)
		n += (size_t)snprintf(untested + n, sizeof(untested) - n, "%s ", p->words[i]);
	snprintf(untested + n, sizeof(untested) - n, ": %.300s\n", why);
}

static sd_json_variant *request(const struct path *p, const char *value)
{
	sd_json_variant *v = NULL, *words = NULL;

	for (unsigned i = 0; i < p->n; i++)
		assert_true(sd_json_variant_append_arrayb(
				    &words, SD_JSON_BUILD_STRING(p->words[i])) >= 0);
	assert_true(sd_json_buildo(&v, SD_JSON_BUILD_PAIR_VARIANT("path", words),
			    SD_JSON_BUILD_PAIR_CONDITION(
				    !!value, "value", SD_JSON_BUILD_STRING(value))) >= 0);
	sd_json_variant_unref(words);
	return v;
}

static sd_json_variant *call_path(
	const char *method, const struct path *p, const char *value, const char **ret_error)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = request(p, value);

	return call_with(conn, method, v, ret_error);
}

static bool is_empty(const char *text)
{
	return !text || !*text;
}

static char *text_of(const char *method, const char *parameters, const char *key)
{
	const char *text = config_str(call(conn, method, parameters, NULL), key);

	return strdup(text ? text : "");
}

/* Exported and imported it is the same configuration; secret, if any, is not in the text. */
static void check_round_trip(const char *format, const char *secret)
{
	char parameters[64];
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *load = NULL;
	const char *error;

	snprintf(parameters, sizeof(parameters), "{\"format\":\"%s\"}", format);
	_cleanup_free_ char *text = text_of("Export", parameters, "text");
	if (secret && strstr(text, secret))
		fail_msg("%s holds the secret %s", format, secret);
	assert_true(sd_json_buildo(&load, SD_JSON_BUILD_PAIR_STRING("text", text),
			    SD_JSON_BUILD_PAIR_STRING("mode", "replace"),
			    SD_JSON_BUILD_PAIR_STRING("format", format)) >= 0);
	sd_json_variant *reply = call_with(conn, "Load", load, &error);
	if (error || !is_empty(config_str(reply, "changes")))
		fail_msg("%s is not what was exported: %s%s", format, error ? error : "",
			config_str(reply, error ? "why" : "changes"));
	call(conn, "Discard", NULL, NULL);
}

/* Set, compare, commit, show, round trips, rollback. False when a rule of the schema refuses the
 * value. */
static bool try_value(const struct path *p, const struct lysc_node *leaf, const char *value)
{
	const char *error;

	values++;
	sd_json_variant *reply = call_path("Set", p, value, &error);
	if (error) {
		report(p, config_str(reply, "why"));
		return true;
	}
	_cleanup_free_ char *diff = text_of("Compare", NULL, "diff");
	reply = call(conn, "Commit", NULL, &error);
	if (error) {
		refused_by_rule++;
		/* an applier's refusal has no path, but its sentence names the setting */
		if (is_empty(config_str(reply, "why")))
			report(p, "it is refused without a reason");
		call(conn, "Discard", NULL, NULL);
		return false;
	}
	commits++;
	bool changed = config_bool(reply, "changed");
	if (changed == is_empty(diff))
		report(p, "compare and commit do not agree");
	_cleanup_free_ char *shown = strdup(config_str(call_path("Get", p, NULL, NULL), "text"));
	if (!strstr(shown, schema_is_secret(leaf) ? "<secret>" : leaf->name))
		report(p, "it is not shown");
	const char *secret = schema_is_secret(leaf) ? value : NULL;
	check_round_trip("json", secret);
	check_round_trip("xml", secret);
	check_round_trip("set", secret);
	if (changed) {
		call(conn, "Rollback", "{\"number\":1}", NULL);
		call(conn, "Commit", NULL, NULL);
	}
	return true;
}

struct candidates {
	char text[VALUES_MAX][128];
	unsigned n;
	bool each; /* each one has to be tried, not only until one is committed */
};

static void add_candidate(struct candidates *c, const char *text)
{
	if (c->n < VALUES_MAX)
		snprintf(c->text[c->n++], sizeof(*c->text), "%s", text);
}

static void add_number(struct candidates *c, unsigned long long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", number);
	add_candidate(c, text);
}

/* Values that the type takes: all of an enumeration, both ends of a range, or texts that fit. */
static void values_of(const struct lysc_node *leaf, struct candidates *c)
{
	const struct lysc_type *type = schema_type(leaf);
	const struct lysc_type_enum *e = (const struct lysc_type_enum *)type;
	const struct lysc_type_num *num = (const struct lysc_type_num *)type;
	LY_ARRAY_COUNT_TYPE i;

	*c = (struct candidates){.each = true};
	if (type->basetype == LY_TYPE_ENUM) {
		LY_ARRAY_FOR(e->enums, i)
		{
			add_candidate(c, e->enums[i].name);
		}
	} else if (type->basetype == LY_TYPE_BOOL) {
		add_candidate(c, "true");
		add_candidate(c, "false");
	} else if (type->basetype >= LY_TYPE_UINT8 && type->basetype <= LY_TYPE_UINT64 &&
		   num->range) {
		size_t last = LY_ARRAY_COUNT(num->range->parts) - 1;
		add_number(c, num->range->parts[0].min_u64);
		add_number(c, num->range->parts[last].max_u64);
	} else {
		c->each = false;
		if (schema_is_secret(leaf) && is_taken(leaf, never_shown))
			add_candidate(c, never_shown);
		for (size_t k = 0; k < ARRAY_LEN(good); k++)
			if (is_taken(leaf, good[k]))
				add_candidate(c, good[k]);
	}
}

/* A reference takes any text that its target takes: what is there comes from Describe. */
static void values_there(const struct path *p, struct candidates *c)
{
	sd_json_variant *words = config_at(call_path("Describe", p, NULL, NULL), "words"), *one;

	*c = (struct candidates){0};
	config_foreach(one, words, "")
	{
		if (strcmp(config_str(one, "kind"), "word") == 0)
			add_candidate(c, config_str(one, "word"));
	}
}

static void check_refusal(const struct path *p, const struct lysc_node *leaf)
{
	const char *error;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (is_taken(leaf, bad[i]))
			continue;
		sd_json_variant *reply = call_path("Set", p, bad[i], &error);
		if (!error || strcmp(error, "Invalid") != 0 ||
			is_empty(config_str(reply, "path")) ||
			is_empty(config_str(reply, "accepted")))
			report(p,
				"a wrong value is not refused with its path and what is accepted");
		return;
	}
	/* A reference is judged by the commit: what it names has to be there. */
	if (schema_type(leaf)->basetype != LY_TYPE_LEAFREF) {
		report(p, "it takes anything");
		return;
	}
	call_path("Set", p, "nowhere", NULL);
	sd_json_variant *reply = call(conn, "Commit", NULL, &error);
	if (!error || is_empty(config_str(reply, "path")))
		report(p, "a reference to nothing is not refused");
	call(conn, "Discard", NULL, NULL);
}

static void check_help(const struct path *p, const struct lysc_node *node)
{
	const struct lysc_type *type = schema_type(node);
	const struct lysc_type_enum *e = (const struct lysc_type_enum *)type;
	LY_ARRAY_COUNT_TYPE i;

	nodes++;
	if (is_empty(node->dsc))
		report(p, "it has no help text");
	if (!type || type->basetype != LY_TYPE_ENUM)
		return;
	LY_ARRAY_FOR(e->enums, i)
	{
		if (is_empty(e->enums[i].dsc))
			report(p, "one of its values has no help text");
	}
}

static void check_leaf(const struct path *p, const struct lysc_node *leaf)
{
	struct candidates c;
	bool any = false;

	if (schema_type(leaf)->basetype == LY_TYPE_LEAFREF)
		values_there(p, &c);
	else
		values_of(leaf, &c);
	if (c.n == 0)
		report(p, "nothing is known that could be a value of it");
	for (unsigned i = 0; i < c.n && (c.each || !any); i++)
		any |= try_value(p, leaf, c.text[i]);
	if (c.n && !any)
		report(p, "none of its values could be committed");
	check_refusal(p, leaf);
}

static void walk(struct path *p, const struct lysc_node *parent);

/* What base_lines made has values that fit the rest; a new entry gets the first that its type
 * takes. */
static void set_mandatory(struct path *p, const struct lysc_node *list)
{
	const struct lysc_node *child = NULL;
	struct candidates c;

	while ((child = schema_next(&schema, list, child))) {
		if (!(child->flags & LYS_MAND_TRUE) || !schema_type(child))
			continue;
		p->words[p->n++] = (char *)child->name;
		values_of(child, &c);
		if (c.n && is_empty(config_str(call_path("Get", p, NULL, NULL), "text")))
			call_path("Set", p, c.text[0], NULL);
		p->n--;
	}
}

/* The first entry there is, or a new one. */
static void check_list(struct path *p, const struct lysc_node *list)
{
	static char keys[WORDS_MAX][128];
	struct candidates c;
	const char *error;

	sd_json_variant *words = config_at(call_path("Describe", p, NULL, NULL), "words");
	sd_json_variant *first = sd_json_variant_by_index(words, 0);
	bool there = first && strcmp(config_str(first, "help"), "Configured.") == 0;
	values_of(lysc_node_child(list), &c);
	if (!there && !c.n)
		report(p, "nothing is known that could be the name of an entry");
	snprintf(keys[p->n], sizeof(*keys), "%s", there ? config_str(first, "word") : c.text[0]);
	p->words[p->n] = keys[p->n];
	p->n++;
	call_path("Set", p, NULL, NULL);
	set_mandatory(p, list);
	sd_json_variant *reply = call(conn, "Commit", NULL, &error);
	if (error) {
		report(p, config_str(reply, "why"));
		call(conn, "Discard", NULL, NULL);
	}
	walk(p, list);
	p->n--;
}

static void walk(struct path *p, const struct lysc_node *parent)
{
	const struct lysc_node *node = NULL;

	while ((node = schema_next(&schema, parent, node))) {
		p->words[p->n++] = (char *)node->name;
		check_help(p, node);
		if (schema_type(node))
			check_leaf(p, node);
		else if (node->nodetype == LYS_LIST)
			check_list(p, node);
		else
			walk(p, node);
		p->n--;
	}
}

static void test_every_setting(void **state)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *load = NULL;
	struct path p = {0};

	(void)state;
	server_start();
	conn = server_connect();
	assert_true(sd_json_buildo(&load, SD_JSON_BUILD_PAIR_STRING("text", base_lines),
			    SD_JSON_BUILD_PAIR_STRING("mode", "set")) >= 0);
	call_with(conn, "Load", load, NULL);
	call(conn, "Commit", NULL, NULL);
	walk(&p, NULL);
	sd_varlink_unref(conn);
	server_stop(SIGTERM);
	printf("%u settings, %u values, %u committed, %u refused by a rule; untested:%s%s\n", nodes,
		values, commits, refused_by_rule, *untested ? "\n" : " none", untested);
	assert_string_equal(untested, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_setting)};

	return cmocka_run_group_tests(tests, twin_prepare_folders, twin_finish);
}
