/* A file of the store, as a damaged disk may hold it: its first line, its sum, its configuration.
 */
#include <stdlib.h>
#include <string.h>

#include "config/record.h"
#include "config/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct schema schema;

static void read_body(const char *body)
{
	struct lyd_node *tree = NULL;
	struct snapshot *snapshot = NULL;
	struct fault f = {0};

	if (tree_parse(&schema, body, TREE_JSON, &tree, &f) == 0 &&
		snapshot_new(&schema, tree, NULL, &snapshot, &f) == 0)
		snapshot_free(snapshot);
	lyd_free_all(tree);
	fault_fini(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct record r;
	const char *body;

	if (!schema.ctx && schema_load("userland/config/sekisho.yang", &schema) < 0)
		abort();
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	record_parse_head(text, size, &r);
	if (record_parse(text, size, &r, &body))
		read_body(body);
	else if (strlen(text) == size)
		read_body(
			text); /* a sum that is right is rare: what lies behind it is read anyway */
	free(text);
	return 0;
}
