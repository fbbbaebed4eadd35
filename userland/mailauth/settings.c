#include "mailauth/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "mailauth/domain.h"

static int read_sealers(sd_json_variant *list, struct settings *s, char **ret_why)
{
	size_t n = list && sd_json_variant_is_array(list) ? sd_json_variant_elements(list) : 0;

	s->trusted_sealers = calloc(SETTINGS_SEALERS_MAX + 1, sizeof(char *));
	if (!s->trusted_sealers)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		sd_json_variant *v = sd_json_variant_by_index(list, i);
		const char *text = sd_json_variant_is_string(v) ? sd_json_variant_string(v) : "";
		char domain[DOMAIN_BYTES];
		if (i == SETTINGS_SEALERS_MAX || !domain_read(span_str(text), domain)) {
			if (asprintf(ret_why, "trusted-sealer %s: %s", text,
				    i == SETTINGS_SEALERS_MAX ? "too many" : "not a domain") < 0)
				*ret_why = NULL;
			return -EINVAL;
		}
		s->trusted_sealers[i] = strdup(domain);
		if (!s->trusted_sealers[i])
			return -ENOMEM;
	}
	return 0;
}

int settings_read(sd_json_variant *config, struct settings *ret, char **ret_why)
{
	static const sd_json_dispatch_field fields[] = {
		{"dnssec", SD_JSON_VARIANT_BOOLEAN, sd_json_dispatch_stdbool,
			offsetof(struct settings, dnssec), 0},
		{0},
	};
	int r;

	*ret = (struct settings){.dnssec = true};
	r = config ? sd_json_dispatch(config, fields, SD_JSON_ALLOW_EXTENSIONS, ret) : 0;
	if (r >= 0)
		r = read_sealers(config ? sd_json_variant_by_key(config, "trusted-sealer") : NULL,
			ret, ret_why);
	if (r < 0)
		settings_free(ret);
	return r < 0 ? r : 0;
}

void settings_free(struct settings *s)
{
	for (size_t i = 0; s->trusted_sealers && s->trusted_sealers[i]; i++)
		free(s->trusted_sealers[i]);
	free(s->trusted_sealers);
	*s = (struct settings){0};
}
