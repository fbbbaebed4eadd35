#include "update/sweep.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/path.h"
#include "update/attempt.h"
#include "update/file.h"

static int on_swept(sd_varlink *link, sd_json_variant *parameters, const char *error,
	sd_varlink_reply_flags_t flags, void *userdata)
{
	sd_varlink **place = userdata;

	(void)link;
	(void)parameters;
	(void)flags;
	if (error)
		log_warning("files of sources that are gone stay: %s", error);
	*place = sd_varlink_close_unref(*place);
	return 0;
}

void sweep_ask(sd_event *event, sd_varlink **link)
{
	*link = sd_varlink_close_unref(*link);
	int r = sd_varlink_connect_address(link, path_run("verify.varlink"));
	if (r >= 0) {
		sd_varlink_set_userdata(*link, link);
		sd_varlink_set_relative_timeout(*link, ATTEMPT_VERIFY_S * 1000000ull);
		r = sd_varlink_bind_reply(*link, on_swept);
	}
	if (r >= 0)
		r = sd_varlink_attach_event(*link, event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = sd_varlink_invoke(*link, "io.sekisho.UpdateVerify.Sweep", NULL);
	if (r < 0)
		*link = sd_varlink_close_unref(*link);
}

/* "et.part" is the folder of "et". */
static bool is_wanted(const struct source_list *l, const char *folder)
{
	char name[SOURCE_NAME_CHARS + 1];
	size_t n = strlen(folder);

	if (n < 6 || strcmp(folder + n - 5, ".part") != 0)
		return true;
	snprintf(name, sizeof(name), "%.*s", (int)(n - 5), folder);
	return source_find(l, name) != NULL;
}

void sweep_downloads(const struct source_list *l)
{
	_cleanup_closedir_ DIR *d = opendir(path_data("update"));
	char path[PATH_MAX];
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		if (is_wanted(l, e->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", path_data("update"), e->d_name);
		folder_remove(path);
	}
}
