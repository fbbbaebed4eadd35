#include "config/lists.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "config/applier.h"
#include "config/list_hits.h"
#include "config/list_table.h"
#include "config/network.h"
#include "config/nft.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/path.h"

#define FOLDER "sig/addresses"
#define RETRY_US 3000000 /* while there is no such folder */

static const char *const spared[] = {"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8",
	"169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3", "::/127", "fc00::/7",
	"fe80::/10", "ff00::/8"};

static struct {
	sd_json_variant *config; /* in force */
	struct list lists[LISTS_MAX];
	size_t n;
	struct list_hits hits;
} state;

static sd_event_source *watch; /* NULL: the first list has not been installed yet */
static sd_event_source *retry; /* looks for it */

static void list_fini(struct list *l)
{
	ranges_fini(l->set);
	free(l->why);
	*l = (struct list){0};
}

static bool is_wanted(sd_json_variant *source)
{
	const char *type = config_str(source, "type"), *action = config_str(source, "action");

	return type && strcmp(type, "addresses") == 0 && action && strcmp(action, "none") != 0;
}

static void list_init(struct list *l, sd_json_variant *source)
{
	const char *action = config_str(source, "action"),
		   *direction = config_str(source, "direction");

	*l = (struct list){.action = strcmp(action, "block") == 0 ? LIST_BLOCK : LIST_ALERT,
		.inbound = !direction || strcmp(direction, "outbound") != 0,
		.outbound = !direction || strcmp(direction, "inbound") != 0};
	snprintf(l->name, sizeof(l->name), "%s", config_str(source, "name"));
}

static sd_json_variant *source_of(sd_json_variant *config, const char *name)
{
	sd_json_variant *source;

	config_foreach(source, config, "update.source")
	{
		if (strcmp(config_str(source, "name"), name) == 0)
			return source;
	}
	return NULL;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void file_name(const struct list *l, char *out, size_t cap)
{
	snprintf(out, cap, FOLDER "/current/%s__addresses.txt", l->name);
}

static void set_why(struct list *l, const char *why)
{
	if (!l->why || strcmp(l->why, why) != 0)
		log_warning("address list %s: %s; %s", l->name, why,
			l->in_force ? "the one before stays in force" : "it is not in force");
	free(l->why);
	l->why = strdup(why);
}

static int add_all(struct ranges r[RANGES_FAMILIES], sd_json_variant *config, const char *path)
{
	sd_json_variant *prefix;

	config_foreach(prefix, config, path)
	{
		if (ranges_add(r, sd_json_variant_string(prefix)) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

static int spare(struct list *l, sd_json_variant *config)
{
	struct ranges kept[RANGES_FAMILIES] = {0};
	int r = add_all(kept, config, "inspection.home-net");

	for (size_t i = 0; i < sizeof(spared) / sizeof(*spared) && r == 0; i++)
		r = ranges_add(kept, spared[i]);
	if (r == 0)
		r = add_all(kept, source_of(config, l->name), "except");
	ranges_join(kept);
	if (r == 0)
		r = ranges_subtract(l->set, kept);
	ranges_fini(kept);
	return r;
}

static int list_read(struct list *l, FILE *f, sd_json_variant *config, size_t room)
{
	int r = ranges_read(l->set, f, room, &l->lines);

	if (r < 0)
		return r;
	ranges_join(l->set);
	r = spare(l, config);
	l->elements = l->set[RANGES_V4].n + l->set[RANGES_V6].n;
	return r;
}

static const char *reason(int r)
{
	switch (r) {
	case -ENOENT:
		return "no file has been installed yet";
	case -E2BIG:
		return "all lists together have more than 200000 entries";
	case -EBADMSG:
		return "the installed file is damaged";
	default:
		return strerror(-r);
	}
}

/* Makes l->set what the newest file says, and l->fresh true, if there is reason to. */
static void list_refresh(struct list *l, sd_json_variant *config, size_t room, bool anew)
{
	char name[LIST_NAME_CHARS + 64];
	size_t lines = l->lines, elements = l->elements;
	struct stat st;

	file_name(l, name, sizeof(name));
	_cleanup_fclose_ FILE *f = fopen(path_data(name), "re");
	if (!f || fstat(fileno(f), &st) < 0) {
		set_why(l, reason(-errno));
		return;
	}
	if (!anew && is_same_file(&st, &l->file))
		return;
	l->file = st;
	int r = list_read(l, f, config, room);
	if (r < 0) {
		ranges_fini(l->set);
		l->lines = lines;
		l->elements = elements;
		set_why(l, reason(r));
		return;
	}
	l->fresh = l->in_force = true;
	free(l->why);
	l->why = NULL;
}

/* The devices of a side as an nftables set; NULL when it has none. */
static char *devices(sd_json_variant *config, const char *side)
{
	sd_json_variant *port;
	bool any = false;
	struct text t;

	if (text_open(&t) < 0)
		return NULL;
	if (network_is_routed(config)) {
		any = network_put_devices(t.out, config, side, NULL);
	} else {
		config_foreach(port, config, "interfaces.port")
		{
			const char *of = config_str(port, "side");
			if (!of || strcmp(of, side) != 0)
				continue;
			fprintf(t.out, "%s\"%s\"", any ? ", " : "{ ", config_str(port, "name"));
			any = true;
		}
		fputs(any ? " }" : "", t.out);
	}
	char *text = text_close(&t);
	if (any)
		return text;
	free(text);
	return NULL;
}

static int load(struct list *lists, size_t n, sd_json_variant *config, sd_json_variant *kernel,
	char **ret_why)
{
	_cleanup_free_ char *wan = devices(config, "wan"), *lan = devices(config, "lan");
	const struct list_table table = {.lists = lists,
		.n = n,
		.routed = network_is_routed(config),
		.wan = wan,
		.lan = lan,
		.kernel = kernel};
	struct text t;

	if (text_open(&t) < 0)
		return -ENOMEM;
	list_table_put(t.out, &table);
	_cleanup_free_ char *text = text_close(&t);
	return text ? nft_load(text, ret_why) : -ENOMEM;
}

static int kernel_ask(bool routed, sd_json_variant **ret)
{
	char command[64];

	snprintf(command, sizeof(command), "list table %s " LIST_TABLE, list_table_family(routed));
	return nft_ask(command, true, ret);
}

/* What is kept of a list from the configuration before. */
static void list_inherit(struct list *l, sd_json_variant *kernel)
{
	char set[LIST_NAME_CHARS + 8];

	snprintf(set, sizeof(set), "s4_%s", l->name);
	l->in_force = list_table_find(kernel, "set", set);
	for (size_t i = 0; i < state.n; i++) {
		const struct list *old = &state.lists[i];
		if (strcmp(old->name, l->name) != 0)
			continue;
		l->file = old->file;
		l->lines = old->lines;
		l->elements = old->elements;
		l->why = old->why ? strdup(old->why) : NULL;
	}
}

static size_t lists_of(sd_json_variant *config, struct list *out)
{
	sd_json_variant *source;
	size_t n = 0;

	config_foreach(source, config, "update.source")
	{
		if (n < LISTS_MAX && is_wanted(source))
			list_init(&out[n++], source);
	}
	return n;
}

/* What the list is made of besides its file. */
static bool is_spared_alike(sd_json_variant *a, sd_json_variant *b, const char *name)
{
	return sd_json_variant_equal(
		       config_at(a, "inspection.home-net"), config_at(b, "inspection.home-net")) &&
	       sd_json_variant_equal(config_at(source_of(a, name), "except"),
		       config_at(source_of(b, name), "except"));
}

/* Reads what is new. A list that did not fit before is tried again when another has shrunk. */
static void refresh_all(struct list *lists, size_t n, sd_json_variant *config, sd_json_variant *old)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		used += lists[i].lines;
	for (size_t i = 0; i < n; i++) {
		struct list *l = &lists[i];
		size_t others = used - l->lines;
		bool anew = !l->in_force || !is_spared_alike(old, config, l->name);
		list_refresh(l, config, others < LISTS_ENTRIES_MAX ? LISTS_ENTRIES_MAX - others : 0,
			anew);
		used = others + l->lines;
	}
}

static bool is_any_fresh(const struct list *lists, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lists[i].fresh)
			return true;
	return false;
}

static void settle(struct list *lists, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		ranges_fini(lists[i].set);
		lists[i].fresh = false;
	}
}

static void state_replace(struct list *lists, size_t n, sd_json_variant *config)
{
	for (size_t i = 0; i < state.n; i++)
		list_fini(&state.lists[i]);
	memcpy(state.lists, lists, n * sizeof(*lists));
	state.n = n;
	sd_json_variant_ref(config);
	sd_json_variant_unref(state.config);
	state.config = config;
}

int lists_apply(sd_json_variant *config, bool starting, char **ret_why)
{
	struct list *lists = calloc(LISTS_MAX, sizeof(*lists));
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *kernel = NULL;
	size_t n = lists ? lists_of(config, lists) : 0;

	if (!lists)
		return -ENOMEM;
	bool none = n == 0 && state.n == 0 && !starting; /* nftables is left alone */
	if (!none)
		kernel_ask(network_is_routed(config), &kernel);
	for (size_t i = 0; i < n; i++)
		list_inherit(&lists[i], kernel);
	refresh_all(lists, n, config, state.config);
	int r = none ? 0 : load(lists, n, config, kernel, ret_why);
	settle(lists, n);
	if (r == 0) {
		state_replace(lists, n, config);
		if (retry && n)
			sd_event_source_set_enabled(retry, SD_EVENT_ONESHOT);
		if (starting)
			list_hits_tell(&state.hits, lists, n, network_is_routed(config), NULL);
	} else {
		for (size_t i = 0; i < n; i++)
			list_fini(&lists[i]);
	}
	free(lists);
	return r;
}

struct size {
	size_t lines, elements;
};

void lists_follow(void)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *kernel = NULL;
	_cleanup_free_ char *why = NULL;
	struct size before[LISTS_MAX];

	if (state.n == 0)
		return;
	for (size_t i = 0; i < state.n; i++)
		before[i] = (struct size){state.lists[i].lines, state.lists[i].elements};
	refresh_all(state.lists, state.n, state.config, state.config);
	if (!is_any_fresh(state.lists, state.n))
		return;
	bool was_there = kernel_ask(network_is_routed(state.config), &kernel) == 0;
	int r = load(state.lists, state.n, state.config, kernel, &why);
	for (size_t i = 0; i < state.n; i++) {
		struct list *l = &state.lists[i];
		char set[LIST_NAME_CHARS + 8];
		snprintf(set, sizeof(set), "s4_%s", l->name);
		if (l->fresh && r == 0)
			log_info("address list %s: %zu entries in force", l->name, l->lines);
		if (l->fresh && r < 0) {
			l->in_force = was_there && list_table_find(kernel, "set", set);
			l->lines = before[i].lines;
			l->elements = before[i].elements;
			set_why(l, why ? why : strerror(-r));
		}
	}
	settle(state.lists, state.n);
}

static int on_change(sd_event_source *source, const struct inotify_event *i, void *userdata)
{
	(void)source;
	(void)userdata;
	if (i->len && strcmp(i->name, "current") == 0)
		lists_follow();
	return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)usec;
	lists_watch(userdata);
	if (watch || state.n == 0)
		return 0; /* the minute looks again */
	sd_event_source_set_time_relative(source, RETRY_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void lists_watch(sd_event *event)
{
	if (watch)
		return;
	if (sd_event_add_inotify(event, &watch, path_data(FOLDER), IN_MOVED_TO, on_change, NULL) >=
		0) {
		lists_follow(); /* the folder was made since */
		return;
	}
	if (!retry)
		sd_event_add_time_relative(
			event, &retry, CLOCK_MONOTONIC, RETRY_US, 0, on_retry, event);
	else if (state.n)
		sd_event_source_set_enabled(retry, SD_EVENT_ONESHOT);
}

void lists_tell(struct eve *eve)
{
	list_hits_tell(
		&state.hits, state.lists, state.n, state.n && network_is_routed(state.config), eve);
}

int lists_report(const char *name, sd_json_variant **ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *kernel = NULL;
	int r = sd_json_variant_new_array(ret, NULL, 0);

	if (state.n)
		kernel_ask(network_is_routed(state.config), &kernel);
	for (size_t i = 0; i < state.n && r >= 0; i++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *one = NULL;
		if (name && strcmp(name, state.lists[i].name) != 0)
			continue;
		r = list_hits_report(&state.lists[i], kernel, network_is_routed(state.config),
			name != NULL, &one);
		if (r >= 0)
			r = sd_json_variant_append_array(ret, one);
	}
	return r;
}
