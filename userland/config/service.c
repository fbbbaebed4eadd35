#include "config/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/applier.h"
#include "config/call.h"
#include "lib/control.h"

static void on_disconnect(sd_varlink_server *server, sd_varlink *link, void *userdata)
{
	struct service *s = userdata;
	struct session *own = session_find(&s->sessions, link);

	(void)server;
	if (own)
		session_free(own);
}

bool service_has_password(const struct service *s)
{
	sd_json_variant *user;

	config_foreach(user, s->now.running->config, "system.user")
	{
		if (config_str(user, "password-hash"))
			return true;
	}
	return false;
}

int service_history(struct service *s, struct record **ret, unsigned *ret_n)
{
	struct record *stored = NULL, *list = calloc(STORE_KEEP + 1, sizeof(*list));
	unsigned n = 0, kept = 1;

	if (!list)
		return -ENOMEM;
	int r = store_list(&stored, &n);
	if (r < 0) {
		free(list);
		return r;
	}
	list[0] = s->now.record;
	for (unsigned i = 0; i < n && kept < STORE_KEEP; i++)
		if (stored[i].serial < s->now.record.serial)
			list[kept++] = stored[i];
	free(stored);
	*ret = list;
	*ret_n = kept;
	return 0;
}

int service_rollback_tree(
	struct service *s, uint32_t number, struct lyd_node **ret, struct fault *f)
{
	struct record *list = NULL;
	unsigned n = 0;
	char text[16], accepted[32];

	*ret = NULL;
	if (number == 0) {
		*ret = tree_dup(s->now.running->tree);
		return 0;
	}
	int r = service_history(s, &list, &n);
	if (r >= 0 && number < n) {
		r = store_read(&s->schema, list[number].serial, ret, f);
	} else if (r >= 0) {
		snprintf(text, sizeof(text), "%u", number);
		snprintf(accepted, sizeof(accepted), "0..%u", n - 1);
		r = fault_set(f, -ENOENT, "rollback", text, accepted, "there is no such commit");
	}
	free(list);
	return r;
}

int service_bind(struct service *s, sd_varlink_server *server)
{
	int r = control_on_disconnect(server, on_disconnect);

	(void)s; /* the server's userdata, so each call's */
#define METHOD(name, function, role) \
	if (r >= 0) \
		r = control_allow(server, role, INTERFACE name, function);
#include "config/methods.def"
#undef METHOD
	return r;
}

void service_fini(struct service *s)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		session_free(&s->sessions.all[i]);
	sd_event_source_unref(s->deadline);
	snapshot_free(s->now.running);
	snapshot_free(s->now.base);
	eve_free(s->audit.eve);
	schema_fini(&s->schema);
}
