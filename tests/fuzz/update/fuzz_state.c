/* What the roles read back from disk: state.json and manifest.json; and settings as configd writes
 * them. */
#include <stdlib.h>

#include "lib/cleanup.h"
#include "update/manifest.h"
#include "update/settings.h"
#include "update/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void settings_read(sd_json_variant *v)
{
	_cleanup_free_ char *why = NULL;
	struct settings s;

	if (settings_parse(v, v, &s, &why) == 0)
		settings_free(&s);
	else if (!why)
		abort();
}

static void state_read(const char *path)
{
	static const char config[] =
		"{\"source\":[{\"name\":\"et\",\"type\":\"rules\",\"url\":\"http://m/\"}]}";
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL, *report = NULL;
	struct source_list l;
	char *why = NULL;

	if (sd_json_parse(config, 0, &v, NULL, NULL) < 0 ||
		source_list_parse(v, NULL, &l, &why) < 0)
		abort();
	state_restore(&l, path);
	if (state_report(l.item[0], 1000000, 3600, &report) < 0)
		abort();
	source_list_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;
	char path[] = "/tmp/fuzz-state-XXXXXX";
	_cleanup_free_ char *text = span_dup(span_of(data, size));
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
	state_read(path);
	unlink(path);
	if (!text || sd_json_parse(text, 0, &v, NULL, NULL) < 0)
		return 0;
	manifest_version(v, "et");
	manifest_number(v, "et", "serial");
	if (sd_json_variant_is_object(v))
		settings_read(v);
	return 0;
}
