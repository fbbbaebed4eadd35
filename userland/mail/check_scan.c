/* What is in it: the antivirus, in scand. */
#include <errno.h>
#include <string.h>

#include "mail/check.h"

static int ask(const struct envelope *e, const char *authserv_id, sd_json_variant **ret)
{
	(void)e;
	(void)authserv_id;
	return sd_json_variant_new_object(ret, NULL, 0);
}

static int read_answer(sd_json_variant *answer, struct span message, struct findings *f)
{
	static const char *const results[] = {"clean", "infected", "limit", "error"};

	(void)message;
	check_text(answer, "signature", f->scan.signature, sizeof(f->scan.signature));
	check_text(answer, "database", f->scan.database, sizeof(f->scan.database));
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
