/* applier_lists: address lists into the kernel (lists.h), when what they depend on changes. */
#include <stdlib.h>

#include "config/applier.h"
#include "config/lists.h"

static int apply(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	return lists_apply(new->config, !old, ret_why);
}

static const char *const containers[] = {"interfaces", "inspection", "update", NULL};

const struct applier applier_lists = {
	.name = "address lists",
	.containers = containers,
	.apply = apply,
};
