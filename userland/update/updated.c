/*
 * updated: keeps signatures and rules fresh, in three roles that run as three users
 *(ARCHITECTURE.md, the life of an update).
 *
 *	updated fetch | verify | install
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "update/fetch.h"
#include "update/install.h"
#include "update/verify.h"

static const struct {
	const char *name;
	int (*run)(void);
} roles[] = {
	{"fetch", fetch_role},
	{"verify", verify_role},
	{"install", install_role},
};

int main(int argc, char *argv[])
{
	for (size_t i = 0; argc == 2 && i < sizeof(roles) / sizeof(*roles); i++) {
		if (strcmp(argv[1], roles[i].name) != 0)
			continue;
		int r = roles[i].run();
		if (r < 0)
			log_error("%s: %s", roles[i].name, strerror(-r));
		return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	fprintf(stderr, "usage: updated fetch | verify | install\n");
	return 2;
}
