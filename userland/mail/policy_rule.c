#include "mail/policy_rule.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/lists.h"

const char *action_name(enum action action)
{
	static const char *const names[] = {
		[ACTION_ACCEPT] = "accept",
		[ACTION_TAG] = "tag",
		[ACTION_QUARANTINE] = "quarantine",
		[ACTION_REJECT] = "reject",
		[ACTION_DEFER] = "defer",
	};
	return names[action];
}

static bool match_spf(struct policy_subject *s, const char *word)
{
	return strcmp(s->findings->spf.result, word) == 0;
}

/* One signature is enough; "none" is a message without any. */
static bool match_dkim(struct policy_subject *s, const char *word)
{
	const struct findings *f = s->findings;

	if (f->dkim_count == 0)
		return f->spf.result[0] && strcmp(word, "none") == 0;
	for (unsigned i = 0; i < f->dkim_count; i++)
		if (strcmp(f->dkim[i].result, word) == 0)
			return true;
	return false;
}

static bool match_dmarc(struct policy_subject *s, const char *word)
{
	return strcmp(s->findings->dmarc.result, word) == 0;
}

static bool match_dmarc_policy(struct policy_subject *s, const char *word)
{
	return strcmp(s->findings->dmarc.policy, word) == 0;
}

static bool match_disposition(struct policy_subject *s, const char *word)
{
	return strcmp(s->findings->dmarc.disposition, word) == 0;
}

static bool match_arc(struct policy_subject *s, const char *word)
{
	return strcmp(s->findings->arc.result, word) == 0;
}

static bool match_scan(struct policy_subject *s, const char *word)
{
	return strcmp(s->findings->scan.result, word) == 0;
}

static bool match_fact(struct policy_subject *s, const char *word)
{
	const char *facts = s->findings->scan.facts;
	size_t n = strlen(word);

	for (const char *at = facts; (at = strstr(at, word)) != NULL; at += n)
		if ((at == facts || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
			return true;
	return false;
}

static const struct parts *parts_of(struct policy_subject *s)
{
	if (!s->has_parts)
		parts_read(&s->parts, s->text);
	s->has_parts = true;
	return &s->parts;
}

/* More parts than are told: whatever name is asked for may be among them. */
static bool match_names(struct policy_subject *s, const char *word, enum part_text kind)
{
	const struct parts *p = parts_of(s);

	for (unsigned i = 0; i < p->count; i++)
		if (p->texts[i].kind == kind && fnmatch(word, p->texts[i].text, FNM_CASEFOLD) == 0)
			return true;
	return p->full;
}

static bool match_attachment_name(struct policy_subject *s, const char *word)
{
	return match_names(s, word, PART_NAME);
}

static bool match_attachment_type(struct policy_subject *s, const char *word)
{
	return match_names(s, word, PART_TYPE);
}

static int address_read(const char *text, size_t n, uint8_t *binary)
{
	char copy[INET6_ADDRSTRLEN];

	if (n >= sizeof(copy))
		return 0;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (inet_pton(AF_INET, copy, binary) == 1)
		return 32;
	return inet_pton(AF_INET6, copy, binary) == 1 ? 128 : 0;
}

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	return memcmp(a, b, bytes) == 0 &&
	       (rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0);
}

/* An address, or a prefix in the form 192.0.2.0/24; -1 when it is none. */
static int prefix_read(const char *word, uint8_t *binary, int *ret_width)
{
	const char *slash = strchr(word, '/');
	uint64_t bits;

	*ret_width = address_read(word, slash ? (size_t)(slash - word) : strlen(word), binary);
	if (*ret_width == 0)
		return -1;
	if (!slash)
		return *ret_width;
	return span_u64(span_str(slash + 1), (uint64_t)*ret_width, &bits) ? (int)bits : -1;
}

static bool match_client(struct policy_subject *s, const char *word)
{
	uint8_t prefix[16], client[16];
	const char *ip = s->envelope->client.ip;
	int width, bits = prefix_read(word, prefix, &width);

	return bits >= 0 && address_read(ip, strlen(ip), client) == width &&
	       bits_equal(prefix, client, (unsigned)bits);
}

/* A word with '@' is an address, or all of a domain and nothing under it when '@' comes first; one
 * without is a domain and what is under it. "<>" is the empty sender. */
static bool match_address(const char *address, const char *word)
{
	const char *at = strrchr(address, '@');
	size_t n = strlen(word);

	if (strcmp(word, "<>") == 0)
		return address[0] == '\0';
	if (!at)
		return false;
	if (word[0] == '@')
		return strcasecmp(at, word) == 0;
	if (strchr(word, '@'))
		return strcasecmp(address, word) == 0;
	size_t length = strlen(at + 1);
	return length >= n && strcasecmp(at + 1 + length - n, word) == 0 &&
	       (length == n || at[length - n] == '.');
}

static bool match_sender(struct policy_subject *s, const char *word)
{
	return match_address(s->envelope->mail_from, word);
}

static bool match_author(struct policy_subject *s, const char *word)
{
	return match_address(s->findings->from.address, word);
}

static bool match_recipient(struct policy_subject *s, const char *word)
{
	for (unsigned i = 0; i < s->envelope->rcpt_count; i++)
		if (match_address(s->envelope->rcpt[i], word))
			return true;
	return false;
}

static bool domain_is_under(const char *domain, const char *above)
{
	size_t n = strlen(domain), k = strlen(above);

	return n >= k && strcasecmp(domain + n - k, above) == 0 &&
	       (n == k || domain[n - k - 1] == '.');
}

static bool list_has_domain(struct policy_subject *s, const struct policy_list *list,
	const char *name, const char *domain)
{
	for (unsigned i = 0; list && domain[0] && i < list->domains.count; i++)
		if (domain_is_under(domain, s->policy->words[list->domains.first + i]))
			return true;
	return lists_have_domain(name, domain);
}

static bool list_has_client(
	struct policy_subject *s, const struct policy_list *list, const char *name)
{
	for (unsigned i = 0; list && i < list->addresses.count; i++)
		if (match_client(s, s->policy->words[list->addresses.first + i]))
			return true;
	return lists_have_address(name, s->envelope->client.ip);
}

static const struct policy_list *list_of(const struct policy *policy, const char *name)
{
	for (unsigned i = 0; i < policy->list_count; i++)
		if (strcmp(policy->lists[i].name, name) == 0)
			return &policy->lists[i];
	return NULL;
}

/* A list of the settings and an installed one may have the same name: both are meant. */
static bool match_list(struct policy_subject *s, const char *word)
{
	const struct policy_list *list = list_of(s->policy, word);
	const char *at = strrchr(s->envelope->mail_from, '@');

	return list_has_client(s, list, word) || list_has_domain(s, list, word, at ? at + 1 : "") ||
	       list_has_domain(s, list, word, s->findings->from.domain) ||
	       list_has_domain(s, list, word, s->envelope->helo);
}

static bool is_prefix(const char *word)
{
	uint8_t binary[16];
	int width;

	return prefix_read(word, binary, &width) >= 0;
}

/* The conditions by the name of their leaf-list. */
static const struct {
	const char *leaf;
	bool (*match)(struct policy_subject *s, const char *word);
	bool (*is_word)(const char *word); /* NULL: every text is one */
} conditions[] = {
	{"spf", match_spf, NULL},
	{"dkim", match_dkim, NULL},
	{"dmarc", match_dmarc, NULL},
	{"dmarc-policy", match_dmarc_policy, NULL},
	{"dmarc-disposition", match_disposition, NULL},
	{"arc", match_arc, NULL},
	{"scan", match_scan, NULL},
	{"fact", match_fact, NULL},
	{"client", match_client, is_prefix},
	{"sender", match_sender, NULL},
	{"author", match_author, NULL},
	{"recipient", match_recipient, NULL},
	{"attachment-name", match_attachment_name, NULL},
	{"attachment-type", match_attachment_type, NULL},
	{"list", match_list, NULL},
};
_Static_assert(sizeof(conditions) / sizeof(*conditions) == POLICY_CONDITIONS, "POLICY_CONDITIONS");

static bool condition_holds(const struct policy *policy, const struct policy_rule *rule, unsigned i,
	struct policy_subject *s)
{
	unsigned first = rule->conditions[i].first, count = rule->conditions[i].count;

	for (unsigned w = first; w < first + count; w++)
		if (conditions[i].match(s, policy->words[w]))
			return true;
	return count == 0;
}

bool policy_rule_holds(
	const struct policy *policy, const struct policy_rule *rule, struct policy_subject *s)
{
	if (rule->larger_than && s->text.n <= rule->larger_than)
		return false;
	if (rule->smaller_than && s->text.n >= rule->smaller_than)
		return false;
	s->policy = policy;
	for (unsigned i = 0; i < POLICY_CONDITIONS; i++)
		if (!condition_holds(policy, rule, i, s))
			return false;
	return true;
}

/* ---- from the settings ---- */

static bool is_printable(const char *text, bool utf8)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f ||
			(!utf8 && (unsigned char)*text > 0x7e))
			return false;
	return true;
}

static int text_read(sd_json_variant *object, const char *key, bool utf8, char *out, size_t cap)
{
	sd_json_variant *v = sd_json_variant_by_key(object, key);
	const char *text = v ? sd_json_variant_string(v) : "";

	if (!text || strlen(text) >= cap || !is_printable(text, utf8))
		return -EINVAL;
	strcpy(out, text);
	return 0;
}

static int action_read(sd_json_variant *object, enum action *out)
{
	const char *text = sd_json_variant_string(sd_json_variant_by_key(object, "action"));

	for (enum action a = ACTION_ACCEPT; text && a <= ACTION_DEFER; a++)
		if (strcmp(text, action_name(a)) == 0) {
			*out = a;
			return 0;
		}
	return -EINVAL;
}

static bool flag_read(sd_json_variant *object, const char *key)
{
	sd_json_variant *v = sd_json_variant_by_key(object, key);

	return v && sd_json_variant_is_boolean(v) && sd_json_variant_boolean(v);
}

static int bytes_read(sd_json_variant *object, const char *key, uint32_t *out)
{
	sd_json_variant *v = sd_json_variant_by_key(object, key);

	if (!v)
		return 0;
	if (!sd_json_variant_is_unsigned(v) || sd_json_variant_unsigned(v) > UINT32_MAX)
		return -EINVAL;
	*out = (uint32_t)sd_json_variant_unsigned(v);
	return 0;
}

static int words_read(sd_json_variant *list, bool (*is_word)(const char *word),
	struct policy *policy, struct policy_words *words)
{
	size_t n = list ? sd_json_variant_elements(list) : 0;

	if (n > POLICY_WORDS - policy->word_count)
		return -E2BIG;
	words->first = (uint16_t)policy->word_count;
	words->count = (uint16_t)n;
	for (size_t w = 0; w < n; w++) {
		const char *word = sd_json_variant_string(sd_json_variant_by_index(list, w));

		if (!word || !*word || strlen(word) > POLICY_WORD_BYTES ||
			(is_word && !is_word(word)))
			return -EINVAL;
		strcpy(policy->words[policy->word_count++], word);
	}
	return 0;
}

static int rule_read(sd_json_variant *object, struct policy *policy, struct policy_rule *rule)
{
	int r = text_read(object, "name", false, rule->name, sizeof(rule->name));

	if (r < 0 || (r = action_read(object, &rule->action)) < 0 ||
		(r = text_read(object, "reply", false, rule->reply, sizeof(rule->reply))) < 0 ||
		(r = text_read(
			 object, "subject-prefix", true, rule->prefix, sizeof(rule->prefix))) < 0 ||
		(r = bytes_read(object, "larger-than", &rule->larger_than)) < 0 ||
		(r = bytes_read(object, "smaller-than", &rule->smaller_than)) < 0)
		return r;
	rule->dry_run = flag_read(object, "dry-run");
	for (unsigned i = 0; i < POLICY_CONDITIONS && r == 0; i++)
		r = words_read(sd_json_variant_by_key(object, conditions[i].leaf),
			conditions[i].is_word, policy, &rule->conditions[i]);
	return r;
}

static int list_read(sd_json_variant *object, struct policy *policy, struct policy_list *list)
{
	int r = text_read(object, "name", false, list->name, sizeof(list->name));

	if (r >= 0)
		r = words_read(sd_json_variant_by_key(object, "address"), is_prefix, policy,
			&list->addresses);
	if (r >= 0)
		r = words_read(
			sd_json_variant_by_key(object, "domain"), NULL, policy, &list->domains);
	return r;
}

int policy_parse(sd_json_variant *object, struct policy *policy)
{
	sd_json_variant *rules = sd_json_variant_by_key(object, "rule");
	sd_json_variant *lists = sd_json_variant_by_key(object, "list");
	size_t n = rules ? sd_json_variant_elements(rules) : 0;
	size_t lists_n = lists ? sd_json_variant_elements(lists) : 0;
	int r = 0;

	*policy = (struct policy){.dry_run = flag_read(object, "dry-run")};
	if (n > POLICY_RULES || lists_n > POLICY_LISTS)
		return -E2BIG;
	for (size_t i = 0; i < n && r == 0; i++)
		r = rule_read(sd_json_variant_by_index(rules, i), policy, &policy->rules[i]);
	for (size_t i = 0; i < lists_n && r == 0; i++)
		r = list_read(sd_json_variant_by_index(lists, i), policy, &policy->lists[i]);
	policy->rule_count = (unsigned)n;
	policy->list_count = (unsigned)lists_n;
	return r;
}
