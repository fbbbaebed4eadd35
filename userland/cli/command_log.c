/* The events of the daemons (lib/eve.h): the newest of each file, merged by time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/command.h"
#include "lib/cleanup.h"
#include "lib/path.h"

#define TAIL_BYTES (256u << 10) /* read of each file; older events are in the file itself */
#define EVENTS_SHOWN 40
#define EVENTS_MAX 4096 /* held at once; more in the tails are not looked at */

struct event {
	sd_json_variant *json;
	char *line;
};

struct events {
	struct event item[EVENTS_MAX];
	unsigned n;
	unsigned unreadable; /* files */
};

static bool is_wanted(sd_json_variant *json, const char *const *types)
{
	const char *type = json_str(json, "event_type");

	if (!type || !json_str(json, "timestamp"))
		return false;
	for (; types && *types; types++)
		if (strcmp(type, *types) == 0)
			return true;
	return !types;
}

static char *read_tail(const char *path)
{
	struct stat st;
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	if (!f || fstat(fileno(f), &st) < 0)
		return NULL;
	size_t want = st.st_size > (off_t)TAIL_BYTES ? TAIL_BYTES : (size_t)st.st_size;
	char *text = malloc(want + 1);
	if (!text || fseek(f, st.st_size - (off_t)want, SEEK_SET) < 0) {
		free(text);
		return NULL;
	}
	text[fread(text, 1, want, f)] = 0;
	return text;
}

static void read_events(const char *daemon, const char *const *types, struct events *e)
{
	char name[128];
	char *save = NULL;

	snprintf(name, sizeof(name), "log/%s/eve.json", daemon);
	_cleanup_free_ char *text = read_tail(path_data(name));
	if (!text && errno != ENOENT)
		e->unreadable++;
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
		line = strtok_r(NULL, "\n", &save)) {
		sd_json_variant *json = NULL;
		/* The first line of a tail is cut; one that is being written is too. */
		if (e->n == EVENTS_MAX || sd_json_parse(line, 0, &json, NULL, NULL) < 0)
			continue;
		if (!is_wanted(json, types)) {
			sd_json_variant_unref(json);
			continue;
		}
		e->item[e->n++] = (struct event){json, strdup(line)};
	}
}

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	return strcmp(json_str(x->json, "timestamp"), json_str(y->json, "timestamp"));
}

/* Five-tuple, if the event has one. */
static void print_flow(sd_json_variant *json)
{
	const char *src = json_str(json, "src_ip"), *dst = json_str(json, "dest_ip");

	if (!src || !dst)
		return;
	fputs(" ", stdout);
	print_safe(stdout, src);
	sd_json_variant *port = sd_json_variant_by_key(json, "src_port");
	if (port && sd_json_variant_is_unsigned(port))
		printf(":%u", (unsigned)sd_json_variant_unsigned(port));
	fputs(" > ", stdout);
	print_safe(stdout, dst);
	port = sd_json_variant_by_key(json, "dest_port");
	if (port && sd_json_variant_is_unsigned(port))
		printf(":%u", (unsigned)sd_json_variant_unsigned(port));
}

static void print_event(sd_json_variant *json)
{
	const char *time = json_str(json, "timestamp"), *type = json_str(json, "event_type");
	const char *app = json_str(json, "app_proto"), *why = json_str(json, "why");
	sd_json_variant *detail = sd_json_variant_by_key(json, type);
	sd_json_variant *ndpi = sd_json_variant_by_key(json, "app");

	print_safe(stdout, time);
	fputs("  ", stdout);
	print_safe(stdout, type);
	print_flow(json);
	if (app) {
		fputs(" ", stdout);
		print_safe(stdout, app);
	}
	if (ndpi && json_str(ndpi, "ndpi_app")) {
		fputs(" application ", stdout);
		print_safe(stdout, json_str(ndpi, "ndpi_app"));
	}
	if (detail && sd_json_variant_is_object(detail)) {
		fputs("  ", stdout);
		json_print_line(stdout, detail);
	}
	if (why) {
		fputs("  because: ", stdout);
		print_safe(stdout, why);
	}
	putchar('\n');
}

static int show(struct cli *c, const char *daemon, const char *const *types)
{
	_cleanup_free_ struct events *e = calloc(1, sizeof(*e));

	if (!e)
		return CLI_FAILED;
	for (const char *const *d = daemon_names; *d; d++)
		if (!daemon || strcmp(*d, daemon) == 0)
			read_events(*d, types, e);
	qsort(e->item, e->n, sizeof(e->item[0]), by_time);
	for (unsigned i = 0; i < e->n; i++) {
		if (i + EVENTS_SHOWN >= e->n && c->json)
			puts(e->item[i].line);
		else if (i + EVENTS_SHOWN >= e->n)
			print_event(e->item[i].json);
		sd_json_variant_unref(e->item[i].json);
		free(e->item[i].line);
	}
	if (e->unreadable) {
		fputs("error: the log is not readable for you (group sekisho-admin)\n", stderr);
		return CLI_FAILED;
	}
	return 0;
}

static int run_show_events(struct cli *c, char *const *args)
{
	const char *const *d = daemon_names;

	while (args[0] && *d && strcmp(*d, args[0]) != 0)
		d++;
	if (!*d) {
		fprintf(stderr, "error: there is no daemon '%s'\n", args[0]);
		return CLI_FAILED;
	}
	return show(c, args[0], NULL);
}

static int run_show_mail_log(struct cli *c, char *const *args)
{
	static const char *const types[] = {"mail", NULL};

	(void)args;
	return show(c, "maild", types);
}

static int run_show_inspect_alerts(struct cli *c, char *const *args)
{
	static const char *const types[] = {"alert", "drop", NULL};

	(void)args;
	return show(c, "inspectd", types);
}

const struct command command_show_events = {"show events",
	"The newest events of all daemons, or of one.", MODE_OPERATION, ARGS_DAEMON,
	run_show_events};
const struct command command_show_inspect_alerts = {"show inspect alerts",
	"The newest alerts and drops.", MODE_OPERATION, ARGS_NONE, run_show_inspect_alerts};
const struct command command_show_mail_log = {"show mail log",
	"The newest mails and what became of them.", MODE_OPERATION, ARGS_NONE, run_show_mail_log};
