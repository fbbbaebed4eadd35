#include "config/session.h"

#include <errno.h>

#include "config/script.h"
#include "lib/cleanup.h"

void session_free(struct session *session)
{
	lyd_free_all(session->candidate);
	lyd_free_all(session->base_tree);
	*session = (struct session){0};
}

void session_reset(struct session *session, const struct lyd_node *running, uint64_t generation)
{
	sd_varlink *link = session->link;

	session_free(session);
	*session =
		(struct session){.link = link, .candidate = tree_dup(running), .base = generation};
}

void session_settle(struct session *session, uint64_t generation)
{
	lyd_free_all(session->base_tree);
	session->base_tree = NULL;
	session->base = generation;
	session->dirty = false;
}

struct session *session_find(struct sessions *all, sd_varlink *link)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (all->all[i].link == link)
			return &all->all[i];
	return NULL;
}

struct session *session_get(
	struct sessions *all, sd_varlink *link, const struct lyd_node *running, uint64_t generation)
{
	struct session *one = session_find(all, link);

	if (one && (one->dirty || one->base == generation))
		return one;
	if (!one)
		one = session_find(all, NULL);
	if (one) {
		one->link = link;
		session_reset(one, running, generation);
	}
	return one;
}

void session_touch(struct session *session)
{
	if (!session->dirty)
		session->base_tree = tree_dup(session->candidate);
	session->dirty = true;
}

int session_rebase(struct session *session, const struct schema *s, const struct lyd_node *running,
	uint64_t generation, struct fault *f)
{
	_cleanup_free_ char *changes = tree_diff(session->base_tree, session->candidate, false);
	struct lyd_node *next = tree_dup(running);
	int r = changes ? script_apply(&next, s, changes, f) : -ENOMEM;

	if (r < 0) {
		lyd_free_all(next);
		return r;
	}
	lyd_free_all(session->candidate);
	lyd_free_all(session->base_tree);
	session->candidate = next;
	session->base_tree = tree_dup(running);
	session->base = generation;
	return 0;
}
