/*
 * applier_nftables: loads the ruleset, one transaction, after a dry run against the kernel.
 *
 * A netdev chain and a flowtable can only hook devices that exist, and the bridge's MAC address is
 * in the rules. At boot the ruleset is in force before networkd has made the bridge; the part of it
 * that needs links follows when the link watch reports them, and whenever a port comes back. The
 * same part has the policies, which follow their schedules.
 *
 * A commit that leaves the text as it is does not touch the kernel's rules.
 */
#include "config/applier_nftables.h"

#include <errno.h>
#include <net/if.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/applier.h"
#include "config/ruleset.h"
#include "config/ruleset_delta.h"
#include "lib/cleanup.h"
#include "lib/log.h"

struct rendering {
	char *all;
	char *following; /* the part that follows links and hours, devices' indices in front */
};

static struct {
	sd_json_variant *config; /* in force */
	struct rendering in_force;
	sd_json_variant *prepared_for; /* the configuration that was tried last */
	struct rendering prepared;
} nftables;

static bool link_exists(const char *name)
{
	return if_nametoindex(name) != 0;
}

static void read_links(struct ruleset_links *ret)
{
	time_t now = time(NULL);

	*ret = (struct ruleset_links){.exists = link_exists};
	localtime_r(&now, &ret->now);
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
static char *sign(sd_json_variant *config, char *rules)
{
	_cleanup_free_ char *owned = rules;
	sd_json_variant *port;
	struct text t;

	if (!owned || text_open(&t) < 0)
		return NULL;
	fprintf(t.out, "# %u", if_nametoindex(BRIDGE));
	config_foreach(port, config, "interfaces.port")
	{
		fprintf(t.out, " %u", if_nametoindex(config_str(port, "name")));
	}
	fprintf(t.out, "\n" RULESET_PART "%s", owned);
	return text_close(&t);
}

static bool is_same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static void replace(char **what, char *by)
{
	free(*what);
	*what = by;
}

static int load(const char *from, const char *to, bool dry, char **ret_why)
{
	_cleanup_free_ char *delta = ruleset_delta(from, to);

	return delta ? run(delta, dry, ret_why) : -ENOMEM;
}

static void follow(void)
{
	struct ruleset_links links;
	_cleanup_free_ char *why = NULL, *following = NULL;

	if (!nftables.config)
		return;
	read_links(&links);
	following = sign(nftables.config, ruleset_render_following(nftables.config, &links));
	if (!following || is_same(following, nftables.in_force.following))
		return;
	if (load(nftables.in_force.following, following, false, &why) < 0) {
		log_warning("the rules do not follow the links yet: %s", why ? why : "");
		return; /* the next link event tries again */
	}
	replace(&nftables.in_force.following, take_ptr(following));
	replace(&nftables.in_force.all,
		sign(nftables.config, ruleset_render(nftables.config, &links)));
}

void applier_nftables_links_changed(void)
{
	follow();
}

void applier_nftables_minute_passed(void)
{
	if (nftables.config &&
		sd_json_variant_elements(config_at(nftables.config, "zones.schedule")))
		follow();
}

static void rendering_fini(struct rendering *r)
{
	free(r->all);
	free(r->following);
}

static int render(sd_json_variant *config, struct rendering *ret)
{
	struct ruleset_links links;

	read_links(&links);
	ret->all = sign(config, ruleset_render(config, &links));
	ret->following = sign(config, ruleset_render_following(config, &links));
	return ret->all && ret->following ? 0 : -ENOMEM;
}

/* Renders, or takes what prepare has rendered; should a link have changed since, its event comes
 * next. */
static int take_rendering(sd_json_variant *config, struct rendering *ret)
{
	bool same = nftables.prepared_for == config && nftables.prepared.all;

	if (same)
		*ret = (struct rendering){
			take_ptr(nftables.prepared.all), take_ptr(nftables.prepared.following)};
	replace(&nftables.prepared.all, NULL);
	replace(&nftables.prepared.following, NULL);
	nftables.prepared_for = sd_json_variant_unref(nftables.prepared_for);
	return same ? 0 : render(config, ret);
}

static int prepare(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	_cleanup_(rendering_fini) struct rendering next = {0};
	int r = render(new->config, &next);

	(void)old;
	if (r < 0)
		return r;
	if (!is_same(next.all, nftables.in_force.all)) {
		r = load(nftables.in_force.all, next.all, true, ret_why);
		if (r < 0)
			return r;
	}
	replace(&nftables.prepared.all, take_ptr(next.all));
	replace(&nftables.prepared.following, take_ptr(next.following));
	sd_json_variant_unref(nftables.prepared_for);
	nftables.prepared_for = sd_json_variant_ref(new->config);
	return 0;
}

static int apply(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	_cleanup_(rendering_fini) struct rendering next = {0};
	int r = take_rendering(new->config, &next);

	(void)old;
	if (r < 0)
		return r;
	if (!is_same(next.all, nftables.in_force.all)) {
		r = load(nftables.in_force.all, next.all, false, ret_why);
		if (r < 0)
			return r;
		replace(&nftables.in_force.all, take_ptr(next.all));
		replace(&nftables.in_force.following, take_ptr(next.following));
	}
	sd_json_variant_ref(new->config);
	sd_json_variant_unref(nftables.config);
	nftables.config = new->config;
	return 0;
}

static const char *const containers[] = {
	"interfaces", "inspection", "mail", "zones", "nat", "system", NULL};

const struct applier applier_nftables = {
	.name = "nftables",
	.containers = containers,
	.prepare = prepare,
	.apply = apply,
};
