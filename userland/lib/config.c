#include "lib/config.h"

#include <errno.h>
#include <stdio.h>

#include "lib/cleanup.h"
#include "lib/path.h"

int config_load(const char *name, sd_json_variant **ret)
{
	char file[64];
	_cleanup_fclose_ FILE *f = NULL;
	unsigned line = 0, column = 0;

	snprintf(file, sizeof(file), "config/%s.json", name);
	f = fopen(path_run(file), "re");
	if (!f)
		return -errno;
	fseek(f, 0, SEEK_END);
	if (ftell(f) > (long)CONFIG_BYTES_MAX)
		return -EFBIG;
	rewind(f);
	if (sd_json_parse_file(f, file, 0, ret, &line, &column) < 0)
		return -EBADMSG;
	return 0;
}
