/* What is in it: the antivirus, in scand. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mail/check.h"

/* So that scand can say whose mail a worker died over. */
static void ask(struct jsonw *w, const struct envelope *e, const char *authserv_id)
{
	(void)authserv_id;
	jsonw_str(w, "ip", e->client.ip);
	jsonw_str(w, "mail_from", e->mail_from);
}

/* Words that are not ours are left out, and so is what does not fit: none is hidden by another. */
static void read_facts(sd_json_variant *answer, char *out, size_t cap)
{
	sd_json_variant *facts = sd_json_variant_by_key(answer, "facts");
	size_t n = 0;

	*out = '\0';
	for (size_t i = 0; facts && i < sd_json_variant_elements(facts); i++) {
		const char *word = sd_json_variant_string(sd_json_variant_by_index(facts, i));
		size_t length = word ? strlen(word) : 0;
		if (length == 0 || strspn(word, "abcdefghijklmnopqrstuvwxyz-") != length ||
			n + length + 2 > cap)
			continue;
		n += (size_t)snprintf(out + n, cap - n, "%s%s", n ? " " : "", word);
	}
}

static int read_answer(sd_json_variant *answer, struct span message, struct findings *f)
{
	static const char *const results[] = {"clean", "infected", "limit", "ambiguous", "error"};

	(void)message;
	check_text(answer, "signature", f->scan.signature, sizeof(f->scan.signature));
	check_text(answer, "database", f->scan.database, sizeof(f->scan.database));
	check_text(answer, "part", f->scan.part, sizeof(f->scan.part));
	check_text(answer, "limit", f->scan.limit, sizeof(f->scan.limit));
	check_text(answer, "reason", f->scan.reason, sizeof(f->scan.reason));
	read_facts(answer, f->scan.facts, sizeof(f->scan.facts));
	if (check_text(answer, "result", f->scan.result, sizeof(f->scan.result)))
		for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++)
			if (strcmp(f->scan.result, results[i]) == 0)
				return 0;
	f->scan.result[0] = '\0';
	return -EBADMSG;
}

const struct mail_check check_scan = {
	.name = "scan",
	.socket = "scan.varlink",
	.method = "io.sekisho.Scan.Scan",
	.ask = ask,
	.read = read_answer,
};
