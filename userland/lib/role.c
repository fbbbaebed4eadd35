#include "lib/role.h"

#include <grp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define GROUPS_MAX 65536 /* NGROUPS_MAX of the kernel */

const char *const role_names[ROLES] = {
	[ROLE_NONE] = "none",
	[ROLE_AUDITOR] = "auditor",
	[ROLE_OPERATOR] = "operator",
	[ROLE_ADMIN] = "admin",
};

static const char *const groups_of_roles[ROLES] = {
	[ROLE_AUDITOR] = "sekisho-auditor",
	[ROLE_OPERATOR] = "sekisho-operator",
	[ROLE_ADMIN] = "sekisho-admin",
};

static struct {
	bool known;
	gid_t gid[ROLES]; /* (gid_t)-1: nobody is in it */
} groups;

void role_init(void)
{
	for (enum role r = ROLE_AUDITOR; r < ROLES; r++) {
		const struct group *g = getgrnam(groups_of_roles[r]);
		groups.gid[r] = g ? g->gr_gid : (gid_t)-1;
	}
	groups.known = true;
}

enum role role_of(uid_t uid, const gid_t *list, size_t n)
{
	enum role best = ROLE_NONE;

	if (!groups.known)
		role_init();
	if (uid == 0 || uid == geteuid())
		return ROLE_ADMIN;
	for (size_t i = 0; i < n; i++)
		for (enum role r = ROLE_AUDITOR; r < ROLES; r++)
			if (r > best && list[i] == groups.gid[r] && list[i] != (gid_t)-1)
				best = r;
	return best;
}

enum role role_of_peer(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer), size = 0;
	_cleanup_free_ gid_t *list = NULL;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return ROLE_NONE;
	/* Asked with no room the kernel says how much is needed. */
	getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size);
	size_t n = size / sizeof(gid_t);
	if (n > GROUPS_MAX)
		return ROLE_NONE;
	list = calloc(n + 1, sizeof(*list));
	if (!list || (n && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list, &size) < 0))
		return ROLE_NONE;
	list[n] = peer.gid;
	return role_of(peer.uid, list, n + 1);
}

enum role role_own(void)
{
	int n = getgroups(0, NULL);
	_cleanup_free_ gid_t *list = calloc((size_t)(n > 0 ? n : 0) + 1, sizeof(*list));

	if (!list)
		return ROLE_NONE;
	n = n > 0 ? getgroups(n, list) : 0;
	if (n < 0)
		n = 0;
	list[n] = getegid();
	/* Not role_of(geteuid()): a process is always its own user. */
	return getuid() == 0 ? ROLE_ADMIN : role_of((uid_t)-1, list, (size_t)n + 1);
}
