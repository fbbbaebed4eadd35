/*
 * applier_nftables: loads the ruleset, one transaction, after a dry run against the kernel.
 *
 * A netdev chain can only hook devices that exist, and the bridge's MAC address is in its rules. At
 * boot the ruleset is in force before networkd has made the bridge; the netdev table follows when
 * the link watch reports it, and whenever a port comes back.
 */
#include "config/applier_nftables.h"

#include <errno.h>
#include <net/if.h>
#include <nftables/libnftables.h>
#include <string.h>

#include "config/applier.h"
#include "config/ruleset.h"
#include "lib/cleanup.h"
#include "lib/log.h"

static struct {
	sd_json_variant *config; /* in force */
	char *netdev;            /* the netdev part in force, with the devices' indices in front */
} nftables;

static bool link_exists(const char *name)
{
	return if_nametoindex(name) != 0;
}

static void read_links(struct ruleset_links *ret)
{
	*ret = (struct ruleset_links){.exists = link_exists};
	_cleanup_fclose_ FILE *f = fopen("/sys/class/net/" BRIDGE "/address", "re");
	if (f && fscanf(f, "%17[0-9a-f:]", ret->bridge_mac) != 1)
		ret->bridge_mac[0] = 0;
}

static int run(const char *ruleset, bool dry, char **ret_why)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	int r = 0;

	if (!nft)
		return -ENOMEM;
	nft_ctx_buffer_error(nft);
	nft_ctx_set_dry_run(nft, dry);
	if (nft_run_cmd_from_buffer(nft, ruleset) != 0) {
		/* The first line says what; the rest draws where, in a text that nobody sees. */
		const char *error = nft_ctx_get_error_buffer(nft);
		*ret_why = strndup(error, strcspn(error, "\n"));
		r = -EINVAL;
	}
	nft_ctx_free(nft);
	return r;
}

/* Two renderings with the same text hook different devices when a port went and came back. */
static char *netdev_signature(sd_json_variant *config, const struct ruleset_links *links)
{
	_cleanup_free_ char *rules = ruleset_render_netdev(config, links);
	sd_json_variant *port;
	struct text t;

	if (!rules || text_open(&t) < 0)
		return NULL;
	fprintf(t.out, "# %u", if_nametoindex(BRIDGE));
	config_foreach(port, config, "interfaces.port")
		fprintf(t.out, " %u", if_nametoindex(config_str(port, "name")));
	fprintf(t.out, "\n%s", rules);
	return text_close(&t);
}

static void remember(sd_json_variant *config, const struct ruleset_links *links)
{
	sd_json_variant_ref(config);
	sd_json_variant_unref(nftables.config);
	nftables.config = config;
	free(nftables.netdev);
	nftables.netdev = netdev_signature(config, links);
}

void applier_nftables_links_changed(void)
{
	struct ruleset_links links;
	_cleanup_free_ char *why = NULL, *netdev = NULL;

	if (!nftables.config)
		return;
	read_links(&links);
	netdev = netdev_signature(nftables.config, &links);
	if (!netdev || (nftables.netdev && strcmp(netdev, nftables.netdev) == 0))
		return;
	if (run(netdev, false, &why) < 0) {
		log_warning("the mail rules do not follow the links yet: %s", why ? why : "");
		return; /* the next link event tries again */
	}
	free(nftables.netdev);
	nftables.netdev = take_ptr(netdev);
}

static int load(sd_json_variant *config, bool dry, char **ret_why)
{
	struct ruleset_links links;
	_cleanup_free_ char *ruleset = NULL;

	read_links(&links);
	ruleset = ruleset_render(config, &links);
	if (!ruleset)
		return -ENOMEM;
	int r = run(ruleset, dry, ret_why);
	if (r >= 0 && !dry)
		remember(config, &links);
	return r;
}

static int prepare(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	(void)old;
	return load(new->config, true, ret_why);
}

static int apply(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	(void)old;
	return load(new->config, false, ret_why);
}

static const char *const containers[] = {"interfaces", "inspection", "mail", NULL};

const struct applier applier_nftables = {
	.name = "nftables",
	.containers = containers,
	.prepare = prepare,
	.apply = apply,
};
