/* Lines of set, delete and insert, as an administrator pastes them. */
#include <stdlib.h>
#include <string.h>

#include "config/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct schema schema;
	char *text = malloc(size + 1), *diff;
	struct lyd_node *tree = NULL, *again = NULL;
	struct fault f = {0};

	if (!schema.ctx && schema_load("userland/config/sekisho.yang", &schema) < 0)
		abort();
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	if (script_apply(&tree, &schema, text, &f) == 0) {
		/* what is shown can be typed in again */
		diff = tree_diff(NULL, tree, false);
		if (!diff || script_apply(&again, &schema, diff, &f) < 0)
			abort();
		free(diff);
		diff = tree_diff(tree, again, false);
		if (!diff || *diff)
			abort();
		free(diff);
	}
	lyd_free_all(tree);
	lyd_free_all(again);
	fault_fini(&f);
	free(text);
	return 0;
}
