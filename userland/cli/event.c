#include "cli/event.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lib/cleanup.h"
#include "lib/path.h"

#define FOLLOW_MS 300

const char *const event_sources[] = {
	"inspectd", "maild", "mailauthd", "scand", "updated", "configd", "boxd", NULL};

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

static const char *file_of(const char *daemon)
{
	char name[128];

	snprintf(name, sizeof(name), "log/%s/eve.json", daemon);
	return path_data(name);
}

static char *read_tail(const char *path)
{
	struct stat st;
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	if (!f || fstat(fileno(f), &st) < 0)
		return NULL;
	size_t want = st.st_size > (off_t)EVENT_TAIL_BYTES ? EVENT_TAIL_BYTES : (size_t)st.st_size;
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
	char *save = NULL;
	_cleanup_free_ char *text = read_tail(file_of(daemon));

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

struct events *events_new(const char *daemon, const char *const *types)
{
	struct events *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	for (const char *const *d = event_sources; *d; d++)
		if (!daemon || strcmp(*d, daemon) == 0)
			read_events(*d, types, e);
	qsort(e->item, e->n, sizeof(e->item[0]), by_time);
	return e;
}

void events_free(struct events *e)
{
	for (unsigned i = 0; e && i < e->n; i++) {
		sd_json_variant_unref(e->item[i].json);
		free(e->item[i].line);
	}
	free(e);
}

static void print_end(sd_json_variant *json, const char *address, const char *port_key)
{
	sd_json_variant *port = sd_json_variant_by_key(json, port_key);

	print_safe(stdout, address);
	if (port && sd_json_variant_is_unsigned(port))
		printf(":%u", (unsigned)sd_json_variant_unsigned(port));
}

void event_print(sd_json_variant *json)
{
	const char *time = json_str(json, "timestamp"), *type = json_str(json, "event_type");
	const char *app = json_str(json, "app_proto"), *why = json_str(json, "why");
	const char *src = json_str(json, "src_ip"), *dst = json_str(json, "dest_ip");
	sd_json_variant *detail = sd_json_variant_by_key(json, type);
	const char *ndpi = json_str(sd_json_variant_by_key(json, "app"), "ndpi_app");

	print_safe(stdout, time);
	fputs("  ", stdout);
	print_safe(stdout, type);
	if (src && dst) {
		fputs(" ", stdout);
		print_end(json, src, "src_port");
		fputs(" > ", stdout);
		print_end(json, dst, "dest_port");
	}
	if (app) {
		fputs(" ", stdout);
		print_safe(stdout, app);
	}
	if (ndpi) {
		fputs(" application ", stdout);
		print_safe(stdout, ndpi);
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

/* One file that is followed, over its rotations. */
struct follower {
	FILE *file;
	ino_t inode;
	char *line;
	size_t cap, len; /* len: of a line that has not ended yet */
};

static void follower_open(struct follower *f, const char *daemon, bool at_end)
{
	struct stat st;

	if (stat(file_of(daemon), &st) < 0 || (f->file && st.st_ino == f->inode))
		return;
	FILE *next = fopen(file_of(daemon), "re");
	if (!next)
		return;
	if (f->file)
		fclose(f->file);
	if (at_end)
		fseek(next, 0, SEEK_END);
	f->file = next;
	f->inode = st.st_ino;
	f->len = 0;
}

/* True with the next whole line in f->line. */
static bool follower_line(struct follower *f)
{
	int ch;

	clearerr(f->file);
	while ((ch = getc_unlocked(f->file)) != EOF) {
		if (f->len + 1 >= f->cap) {
			size_t cap = f->cap ? 2 * f->cap : 4096;
			char *longer = cap > EVENT_TAIL_BYTES ? NULL : realloc(f->line, cap);
			if (!longer) {
				f->len = 0; /* no event is that long: what follows is no JSON */
				continue;
			}
			f->line = longer;
			f->cap = cap;
		}
		if (ch == '\n') {
			f->line[f->len] = 0;
			f->len = 0;
			return true;
		}
		f->line[f->len++] = (char)ch;
	}
	return false;
}

static bool follow_turn(struct follower *f, const char *const *types,
	bool (*each)(void *, sd_json_variant *, const char *), void *ctx)
{
	while (f->file && !interrupted() && follower_line(f)) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *json = NULL;
		if (sd_json_parse(f->line, 0, &json, NULL, NULL) < 0 || !is_wanted(json, types))
			continue;
		if (!each(ctx, json, f->line))
			return false;
	}
	return true;
}

int events_follow(const char *daemon, const char *const *types,
	bool (*each)(void *ctx, sd_json_variant *json, const char *line), void *ctx)
{
	struct follower f[16] = {0};
	bool more = true, first = true;

	for (; more && !interrupted(); first = false) {
		for (unsigned i = 0; event_sources[i] && more; i++) {
			if (daemon && strcmp(event_sources[i], daemon) != 0)
				continue;
			/* The rest of a rotated file before its successor. */
			more = follow_turn(&f[i], types, each, ctx);
			follower_open(&f[i], event_sources[i], first);
			if (more)
				more = follow_turn(&f[i], types, each, ctx);
		}
		if (more)
			poll(NULL, 0, FOLLOW_MS);
	}
	for (unsigned i = 0; event_sources[i]; i++) {
		if (f[i].file)
			fclose(f[i].file);
		free(f[i].line);
	}
	return 0;
}
