/* What has happened: the daemons' events and the journal, the newest or as they come. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-journal.h>
#include <time.h>

#include "cli/command.h"
#include "cli/event.h"
#include "lib/cleanup.h"

#define EVENTS_SHOWN 40
#define LINES_SHOWN 100

static int show(struct cli *c, const char *daemon, const char *const *types, unsigned long limit,
	const char *about)
{
	_cleanup_(events_freep) struct events *e = events_new(daemon, types);

	if (!e)
		return CLI_FAILED;
	unsigned n = 0;
	/* From the end, to know where the wished number begins. */
	unsigned first = e->n;
	while (first > 0 && n < limit) {
		first--;
		n += !about || strstr(e->item[first].line, about);
	}
	for (unsigned i = first; i < e->n && !interrupted(); i++) {
		if (about && !strstr(e->item[i].line, about))
			continue;
		if (c->json)
			puts(e->item[i].line);
		else
			event_print(e->item[i].json);
	}
	if (e->unreadable) {
		fputs("error: the log is not readable for you (group sekisho-auditor)\n", stderr);
		return CLI_FAILED;
	}
	return 0;
}

enum { EVENTS_DAEMON, EVENTS_LAST, EVENTS_ABOUT };

static int run_show_events(struct cli *c, const struct args *a)
{
	return show(c, a->value[EVENTS_DAEMON], NULL,
		a->value[EVENTS_LAST] ? a->number[EVENTS_LAST] : EVENTS_SHOWN,
		a->value[EVENTS_ABOUT]);
}

enum { LIST_LAST, LIST_ABOUT };

static int run_show_mail_log(struct cli *c, const struct args *a)
{
	static const char *const types[] = {"mail", NULL};

	return show(c, "maild", types, a->value[LIST_LAST] ? a->number[LIST_LAST] : EVENTS_SHOWN,
		a->value[LIST_ABOUT]);
}

static int run_show_inspect_alerts(struct cli *c, const struct args *a)
{
	static const char *const types[] = {"alert", "drop", NULL};

	return show(c, "inspectd", types, a->value[LIST_LAST] ? a->number[LIST_LAST] : EVENTS_SHOWN,
		a->value[LIST_ABOUT]);
}

struct monitor {
	bool json;
	const char *about;
};

static bool on_event(void *ctx, sd_json_variant *json, const char *line)
{
	const struct monitor *m = ctx;

	if (m->about && !strstr(line, m->about))
		return true;
	if (m->json)
		puts(line);
	else
		event_print(json);
	return fflush(stdout) == 0;
}

static int run_monitor_events(struct cli *c, const struct args *a)
{
	struct monitor m = {c->json, a->value[1]};

	if (c->interactive)
		puts("Ctrl-C ends it.");
	return events_follow(a->value[0], NULL, on_event, &m) < 0 ? CLI_FAILED : 0;
}

static const char *field(sd_journal *j, const char *name, char *out, size_t cap)
{
	const void *data;
	size_t n, skip = strlen(name) + 1;

	out[0] = 0;
	if (sd_journal_get_data(j, name, &data, &n) >= 0 && n > skip)
		snprintf(out, cap, "%.*s", (int)(n - skip), (const char *)data + skip);
	return out;
}

static void print_entry(struct cli *c, sd_journal *j)
{
	char when[32], unit[64], text[2048];
	uint64_t us = 0;
	struct tm tm;

	sd_journal_get_realtime_usec(j, &us);
	time_t at = (time_t)(us / 1000000);
	localtime_r(&at, &tm);
	strftime(when, sizeof(when), "%FT%T%z", &tm);
	field(j, "SYSLOG_IDENTIFIER", unit, sizeof(unit));
	field(j, "MESSAGE", text, sizeof(text));
	if (c->json) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;
		if (sd_json_buildo(&v, SD_JSON_BUILD_PAIR_STRING("timestamp", when),
			    SD_JSON_BUILD_PAIR_STRING("from", unit),
			    SD_JSON_BUILD_PAIR_STRING("message", text)) >= 0)
			json_dump(v);
		return;
	}
	fputs(when, stdout);
	fputs(" ", stdout);
	print_safe(stdout, unit);
	fputs(": ", stdout);
	print_safe(stdout, text);
	putchar('\n');
}

static int run_show_log(struct cli *c, const struct args *a)
{
	sd_journal *j = NULL;
	char match[128];
	unsigned long limit = a->value[1] ? a->number[1] : LINES_SHOWN, n = 0;
	int r = sd_journal_open(&j, SD_JOURNAL_LOCAL_ONLY);

	if (r >= 0 && a->value[0]) {
		snprintf(match, sizeof(match), "SYSLOG_IDENTIFIER=%s", a->value[0]);
		r = sd_journal_add_match(j, match, 0);
	}
	if (r >= 0)
		r = sd_journal_seek_tail(j);
	/* Back so far, then forward. */
	while (r >= 0 && n < limit && sd_journal_previous(j) > 0)
		n++;
	bool more = n > 0;
	for (; r >= 0 && more && n && !interrupted(); n--) {
		print_entry(c, j);
		more = sd_journal_next(j) > 0;
	}
	sd_journal_close(j);
	if (r < 0) {
		fprintf(stderr, "error: the journal: %s\n", strerror(-r));
		return CLI_FAILED;
	}
	return 0;
}

static const struct arg args_of_events[] = {[EVENTS_DAEMON] = {.name = "<daemon>",
						    .help = "Only of this daemon.",
						    .kind = ARG_CHOICE,
						    .choices = event_sources},
	[EVENTS_LAST] = {.keyword = "last",
		.name = "<number>",
		.help = "How many at most.",
		.kind = ARG_NUMBER,
		.min = 1,
		.max = EVENTS_MAX},
	[EVENTS_ABOUT] = {.keyword = "about",
		.name = "<text>",
		.help = "Only with this text: an address, a sid, a sender.",
		.kind = ARG_WORD},
	{0}};
static const struct arg args_of_list[] = {[LIST_LAST] = {.keyword = "last",
						  .name = "<number>",
						  .help = "How many at most.",
						  .kind = ARG_NUMBER,
						  .min = 1,
						  .max = EVENTS_MAX},
	[LIST_ABOUT] = {.keyword = "about",
		.name = "<text>",
		.help = "Only with this text: an address, a sid, a sender.",
		.kind = ARG_WORD},
	{0}};
static const struct arg args_of_log[] = {
	{.keyword = "from", .name = "<program>", .help = "Only of this program.", .kind = ARG_WORD},
	{.keyword = "last",
		.name = "<number>",
		.help = "How many lines at most.",
		.kind = ARG_NUMBER,
		.min = 1,
		.max = 100000},
	{0}};
static const struct arg args_of_monitor[] = {{.name = "<daemon>",
						     .help = "Only of this daemon.",
						     .kind = ARG_CHOICE,
						     .choices = event_sources},
	{.keyword = "about", .name = "<text>", .help = "Only with this text.", .kind = ARG_WORD},
	{0}};

const struct command command_monitor_events = {"monitor events", "Events as they happen.",
	run_monitor_events, args_of_monitor, MODE_OPERATION, ROLE_AUDITOR, COMMAND_LIVE};
const struct command command_show_events = {"show events",
	"The newest events of all daemons, or of one.", run_show_events, args_of_events,
	MODE_OPERATION, ROLE_AUDITOR, 0};
const struct command command_show_inspect_alerts = {"show inspect alerts",
	"The newest alerts and drops.", run_show_inspect_alerts, args_of_list, MODE_OPERATION,
	ROLE_AUDITOR, 0};
const struct command command_show_log = {"show log", "What the programs said to the journal.",
	run_show_log, args_of_log, MODE_OPERATION, ROLE_AUDITOR, 0};
const struct command command_show_mail_log = {"show mail log",
	"The newest mails and what became of them.", run_show_mail_log, args_of_list,
	MODE_OPERATION, ROLE_AUDITOR, 0};
