#include "config/applier.h"

#include <errno.h>
#include <string.h>

sd_json_variant *config_at(sd_json_variant *config, const char *path)
{
	char key[64];

	while (config && *path) {
		size_t n = strcspn(path, ".");
		if (n >= sizeof(key))
			return NULL;
		memcpy(key, path, n);
		key[n] = 0;
		path += n + (path[n] == '.');
		config = sd_json_variant_is_object(config) ? sd_json_variant_by_key(config, key)
							   : NULL;
	}
	return config;
}

const char *config_str(sd_json_variant *config, const char *path)
{
	sd_json_variant *v = config_at(config, path);

	return v && sd_json_variant_is_string(v) ? sd_json_variant_string(v) : NULL;
}

bool config_bool(sd_json_variant *config, const char *path)
{
	sd_json_variant *v = config_at(config, path);

	return v && sd_json_variant_is_boolean(v) && sd_json_variant_boolean(v);
}

int text_open(struct text *t)
{
	*t = (struct text){0};
	t->out = open_memstream(&t->text, &t->size);
	return t->out ? 0 : -ENOMEM;
}

char *text_close(struct text *t)
{
	if (fclose(t->out) != 0) {
		free(t->text);
		return NULL;
	}
	return t->text;
}
