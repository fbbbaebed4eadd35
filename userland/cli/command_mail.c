/* Mail: the quarantine, counts, why one was refused, and a mail judged by hand. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/event.h"
#include "cli/file.h"
#include "cli/program.h"
#include "cli/table.h"
#include "cli/tally.h"
#include "lib/cleanup.h"

static const char *const mail_types[] = {"mail", NULL};

static int run_show_quarantine(struct cli *c, const struct args *a)
{
	static const struct column columns[] = {{"id", "id", 12}, {"time", "time", 20},
		{"sender", "sender", 24}, {"why", "why", 0}, {0}};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;

	(void)a;
	if (daemon_call("maild", "io.sekisho.Mail.Quarantine", NULL, CLI_WAIT_MS, &reply) < 0)
		return CLI_FAILED;
	if (c->json)
		json_dump(reply);
	else
		table_print(stdout, columns, sd_json_variant_by_key(reply, "messages"));
	return 0;
}

static int run_show_sessions(struct cli *c, const struct args *a)
{
	static const struct column columns[] = {{"client", "client+client_port", 24},
		{"server", "server", 16}, {"state", "state", 10}, {"bytes", "bytes", -9},
		{"sender", "mail_from", 0}, {0}};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;

	(void)a;
	if (daemon_call("maild", "io.sekisho.Mail.Sessions", NULL, CLI_WAIT_MS, &reply) < 0)
		return CLI_FAILED;
	if (c->json)
		json_dump(reply);
	else
		table_print(stdout, columns, sd_json_variant_by_key(reply, "sessions"));
	return 0;
}

static int run_show_certificates(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;
	char until[32];
	struct tm tm;

	(void)a;
	if (daemon_call("maild", "io.sekisho.Mail.Certificates", NULL, CLI_WAIT_MS, &reply) < 0)
		return CLI_FAILED;
	if (c->json) {
		json_dump(reply);
		return 0;
	}
	sd_json_variant *list = sd_json_variant_by_key(reply, "certificates");
	for (size_t i = 0; list && i < sd_json_variant_elements(list); i++) {
		sd_json_variant *one = sd_json_variant_by_index(list, i);
		time_t at = (time_t)json_u64(one, "not_after");
		gmtime_r(&at, &tm);
		strftime(until, sizeof(until), "%F", &tm);
		print_safe(stdout, json_str(one, "host") ? json_str(one, "host") : "?");
		printf("  until %s\n", until);
	}
	list = sd_json_variant_by_key(reply, "problems");
	for (size_t i = 0; list && i < sd_json_variant_elements(list); i++) {
		fputs("warning: ", stdout);
		print_safe(stdout, sd_json_variant_string(sd_json_variant_by_index(list, i)));
		putchar('\n');
	}
	return 0;
}

/* The key goes through this process once, and is wiped. */
static int run_certificate_install(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL, *reply = NULL;
	bool terminal = !a->value[1] || strcmp(a->value[1], "terminal") == 0;
	int code = CLI_FAILED;

	if (terminal && c->interactive)
		puts("Paste the private key and the certificates as PEM; a line with a single dot "
		     "ends it.");
	char *pem = terminal ? file_read_stream(stdin) : file_read(a->value[1]);
	if (!pem)
		return CLI_FAILED;
	if (sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING("host", a->value[0]),
		    SD_JSON_BUILD_PAIR_STRING("pem", pem)) >= 0) {
		sd_json_variant_sensitive(parameters);
		if (daemon_call("maild", "io.sekisho.Mail.InstallCertificate", parameters,
			    CLI_WAIT_MS, &reply) >= 0)
			code = 0;
	}
	explicit_bzero(pem, strlen(pem));
	free(pem);
	return code;
}

static int run_certificate_remove(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL, *reply = NULL;

	(void)c;
	if (sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING("host", a->value[0])) < 0 ||
		daemon_call("maild", "io.sekisho.Mail.RemoveCertificate", parameters, CLI_WAIT_MS,
			&reply) < 0)
		return CLI_FAILED;
	return 0;
}

static void offer_certificates(struct cli *c, const char *prefix, struct candidates *ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;
	_cleanup_free_ char *error = NULL;

	(void)c;
	if (daemon_ask("maild", "io.sekisho.Mail.Certificates", NULL, CLI_WAIT_MS, &reply, &error) <
		0)
		return;
	sd_json_variant *list = sd_json_variant_by_key(reply, "certificates");
	for (size_t i = 0; list && i < sd_json_variant_elements(list); i++) {
		const char *host = json_str(sd_json_variant_by_index(list, i), "host");
		if (host)
			candidates_add_if(ret, prefix, host, "Has a certificate.");
	}
}

/* What became of the newest mails, counted. */
static int run_show_mail_stats(struct cli *c, const struct args *a)
{
	const struct column columns[] = {
		{"action", "name", 40}, {"mails", "flows", -8}, {"bytes", "bytes", -16}, {0}};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL, *list = NULL;
	_cleanup_(events_freep) struct events *e = NULL;
	_cleanup_free_ struct tally *t = calloc(1, sizeof(*t));
	_cleanup_free_ char *error = NULL;

	(void)a;
	if (daemon_ask("maild", "io.sekisho.Mail.Stats", NULL, CLI_WAIT_MS, &reply, &error) >= 0) {
		if (c->json)
			json_dump(reply);
		else
			json_print_tree(stdout, reply, 0);
		return 0;
	}
	e = events_new("maild", mail_types);
	if (!t || !e)
		return CLI_FAILED;
	for (unsigned i = 0; i < e->n; i++) {
		sd_json_variant *mail = sd_json_variant_by_key(e->item[i].json, "mail");
		const char *action = json_str(mail, "action");
		tally_add(t, action ? action : "-", 1, json_u64(mail, "size"));
	}
	if (tally_json(t, TALLY_MAX, &list) < 0)
		return CLI_FAILED;
	if (c->json)
		json_dump(list);
	else {
		printf("Of the newest %u mails in the event log:\n", e->n);
		table_print(stdout, columns, list);
	}
	return 0;
}

static int run_show_mail_why(struct cli *c, const struct args *a)
{
	_cleanup_(events_freep) struct events *e = events_new("maild", mail_types);
	unsigned found = 0;

	for (unsigned i = 0; e && i < e->n && !interrupted(); i++) {
		if (!strstr(e->item[i].line, a->value[0]))
			continue;
		if (found++ && !c->json)
			putchar('\n');
		if (c->json)
			puts(e->item[i].line);
		else
			json_print_tree(stdout, e->item[i].json, 0);
	}
	if (found)
		return 0;
	fprintf(stderr, "error: no mail with \"%s\" is in the log\n", a->value[0]);
	return CLI_FAILED;
}

enum { MAIL_FILE, MAIL_IP, MAIL_FROM, MAIL_HELO };

static int run_diagnose_mail(struct cli *c, const struct args *a)
{
	const char *helo = a->value[MAIL_HELO] ? a->value[MAIL_HELO] : "unknown";
	const char *from = a->value[MAIL_FROM] ? a->value[MAIL_FROM] : "";
	const char *argv[] = {
		"mailcheck", "--ip", a->value[MAIL_IP], "--helo", helo, "--mail-from", from, NULL};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *result = NULL;
	_cleanup_free_ char *text = NULL;
	_cleanup_fclose_ FILE *f = file_open(a->value[MAIL_FILE], "re");

	if (!f)
		return CLI_FAILED;
	if (program_read(argv, fileno(f), &text) < 0)
		return CLI_FAILED;
	if (c->json || sd_json_parse(text, 0, &result, NULL, NULL) < 0)
		fputs(text, stdout);
	else
		json_print_tree(stdout, result, 0);
	return 0;
}

static const struct arg args_of_why[] = {
	{.name = "<text>",
		.help = "Of its event: queue id, sender, recipient, "
			"Message-ID.",
		.kind = ARG_WORD,
		.needed = true},
	{0}};
static const struct arg args_of_diagnose[] = {
	[MAIL_FILE] = {.name = "<file>",
		.help = "A saved file with the whole message.",
		.kind = ARG_FILE,
		.needed = true},
	[MAIL_IP] = {.keyword = "ip",
		.name = "<address>",
		.help = "Address that it came from.",
		.kind = ARG_WORD,
		.needed = true},
	[MAIL_FROM] = {.keyword = "from",
		.name = "<address>",
		.help = "Envelope sender.",
		.kind = ARG_WORD},
	[MAIL_HELO] = {.keyword = "helo",
		.name = "<name>",
		.help = "Name that the sender gave.",
		.kind = ARG_WORD},
	{0}};

static const struct arg args_of_install[] = {{.name = "<host>",
						     .help = "Name that the certificate is for.",
						     .kind = ARG_WORD,
						     .needed = true},
	{.name = "<file>",
		.help = "A saved file with key and certificates as PEM; the terminal "
			"when none is named.",
		.kind = ARG_FILE},
	{0}};
static const struct arg args_of_remove[] = {{.name = "<host>",
						    .help = "Whose.",
						    .kind = ARG_WORD,
						    .needed = true,
						    .offer = offer_certificates},
	{0}};

const struct command command_request_mail_certificate_install = {"request mail certificate install",
	"Give maild a certificate for STARTTLS.", run_certificate_install, args_of_install,
	MODE_OPERATION, ROLE_ADMIN, COMMAND_LIVE | COMMAND_CHANGES};
const struct command command_request_mail_certificate_remove = {"request mail certificate remove",
	"Take a certificate away.", run_certificate_remove, args_of_remove, MODE_OPERATION,
	ROLE_ADMIN, COMMAND_CHANGES};
const struct command command_show_mail_certificates = {"show mail certificates",
	"Certificates for STARTTLS, and until when.", run_show_certificates, NULL, MODE_OPERATION,
	ROLE_AUDITOR, 0};
const struct command command_show_mail_sessions = {"show mail sessions",
	"Mail that is on its way at this moment.", run_show_sessions, NULL, MODE_OPERATION,
	ROLE_OPERATOR, 0};
const struct command command_diagnose_mail = {"diagnose mail",
	"SPF, DKIM, DMARC and ARC of a saved message, as of now.", run_diagnose_mail,
	args_of_diagnose, MODE_OPERATION, ROLE_OPERATOR, 0};
const struct command command_show_mail_quarantine = {"show mail quarantine", "Mails that are held.",
	run_show_quarantine, NULL, MODE_OPERATION, ROLE_AUDITOR, 0};
const struct command command_show_mail_stats = {"show mail stats", "Mails by what became of them.",
	run_show_mail_stats, NULL, MODE_OPERATION, ROLE_AUDITOR, 0};
const struct command command_show_mail_why = {"show mail why",
	"Everything that is known of a mail.", run_show_mail_why, args_of_why, MODE_OPERATION,
	ROLE_AUDITOR, 0};
