#include "config/etc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/applier.h"

#define RESOLVERS_MAX 3 /* MAXNS of resolv.conf(5): more are ignored by its readers */

static sd_json_variant *find_admin(sd_json_variant *config)
{
	sd_json_variant *user;

	config_foreach(user, config, "system.user")
	{
		const char *name = config_str(user, "name");
		if (name && strcmp(name, ETC_ADMIN) == 0)
			return user;
	}
	return NULL;
}

char *etc_shadow(sd_json_variant *config, const char *const *accounts)
{
	const char *hash = config_str(find_admin(config), "password-hash");
	struct text t;

	if (text_open(&t) < 0)
		return NULL;
	fprintf(t.out, ETC_ADMIN ":%s:::::::\n", hash ? hash : "");
	for (; *accounts; accounts++)
		if (strcmp(*accounts, ETC_ADMIN) != 0)
			fprintf(t.out, "%s:!*:::::::\n", *accounts);
	return text_close(&t);
}

char *etc_authorized_keys(sd_json_variant *user)
{
	sd_json_variant *key;
	struct text t;

	if (text_open(&t) < 0)
		return NULL;
	config_foreach(key, user, "ssh-key")
	{
		fprintf(t.out, "%s\n", sd_json_variant_string(key));
	}
	return text_close(&t);
}

char *etc_resolv_conf(sd_json_variant *config, const char *lease)
{
	sd_json_variant *server;
	unsigned n = 0;
	struct text t;

	if (text_open(&t) < 0)
		return NULL;
	config_foreach(server, config, "system.dns-server")
	{
		fprintf(t.out, "nameserver %s\n", sd_json_variant_string(server));
		n++;
	}
	while (n < RESOLVERS_MAX && *(lease += strspn(lease, " "))) {
		int len = (int)strcspn(lease, " ");
		if (sd_json_variant_elements(config_at(config, "system.dns-server")) > 0)
			break;
		fprintf(t.out, "nameserver %.*s\n", len, lease);
		lease += len;
		n++;
	}
	return text_close(&t);
}

void etc_lease_servers(const char *state, char *out, size_t cap)
{
	out[0] = 0;
	for (const char *line = state; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "DNS=", 4) != 0)
			continue;
		line += 4;
		size_t n = strcspn(line, "\n");
		/* Nothing but addresses may reach resolv.conf. */
		if (n < cap && strspn(line, "0123456789abcdefABCDEF.: ") >= n) {
			memcpy(out, line, n);
			out[n] = 0;
		}
		return;
	}
}

char *etc_chrony(sd_json_variant *config)
{
	sd_json_variant *server;
	bool any = false;
	struct text t;

	if (text_open(&t) < 0)
		return NULL;
	config_foreach(server, config, "system.ntp.server")
	{
		fprintf(t.out, "server %s iburst\n", sd_json_variant_string(server));
		any = true;
	}
	/* A client and nothing else: it answers nobody, not even on this machine. A clock that is
	 * far off at the start is set at once; later it is only steered, so no log goes backwards.
	 */
	fputs("driftfile /var/lib/chrony/drift\nmakestep 1 3\nrtcsync\nport 0\ncmdport 0\n"
	      "bindcmdaddress /\npidfile /run/chrony/chronyd.pid\n",
		t.out);
	char *text = text_close(&t);
	if (any)
		return text;
	free(text);
	return NULL;
}
