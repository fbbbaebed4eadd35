/* Single settings by the names that Suricata's --set has for them, for captures and tests by hand.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/http.h"
#include "inspect/reader.h"
#include "inspect/rule.h"
#include "inspect/settings.h"
#include "lib/cleanup.h"
#include "lib/span.h"

static bool truth(struct span value, bool *ret)
{
	*ret = span_caseeq(value, SPAN_LIT("true")) || span_caseeq(value, SPAN_LIT("yes"));
	return *ret || span_caseeq(value, SPAN_LIT("false")) || span_caseeq(value, SPAN_LIT("no"));
}

static int set_midstream(struct settings *s, struct span name, struct span value)
{
	(void)name;
	s->tcp.set_midstream = true;
	return truth(value, &s->tcp.midstream) ? 0 : -EINVAL;
}

static int set_async(struct settings *s, struct span name, struct span value)
{
	(void)name;
	return truth(value, &s->tcp.async_oneside) ? 0 : -EINVAL;
}

static int set_inline(struct settings *s, struct span name, struct span value)
{
	(void)name;
	if (span_caseeq(value, SPAN_LIT("auto")))
		return 0;
	return truth(value, &s->tcp.is_inline) ? 0 : -EINVAL;
}

static int set_exception(struct settings *s, struct span name, struct span value)
{
	static const struct {
		const char *name;
		enum exception policy;
	} rows[] = {{"ignore", EXCEPTION_IGNORE}, {"drop-flow", EXCEPTION_DROP_FLOW},
		{"drop-packet", EXCEPTION_DROP_PACKET}, {"pass-flow", EXCEPTION_PASS_FLOW},
		{"pass-packet", EXCEPTION_PASS_PACKET}, {"bypass", EXCEPTION_BYPASS},
		{"reject", EXCEPTION_REJECT}, {"auto", EXCEPTION_AUTO}};

	s->tcp.has_policy = span_eq(name, SPAN_LIT("stream.midstream-policy"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (span_caseeq(value, span_str(rows[i].name))) {
			*(s->tcp.has_policy ? &s->tcp.midstream_policy : &s->tcp.master_policy) =
				rows[i].policy;
			return 0;
		}
	return -EINVAL;
}

static int set_depth(struct settings *s, struct span name, struct span value)
{
	static const struct {
		const char *unit;
		unsigned shift;
	} units[] = {{"kb", 10}, {"mb", 20}, {"gb", 30}, {"", 0}};
	size_t digits = 0;

	(void)name;
	while (digits < value.n && value.p[digits] >= '0' && value.p[digits] <= '9')
		digits++;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (span_caseeq(span_skip(value, digits), span_str(units[i].unit))) {
			if (!span_u64(span_take(value, digits), UINT32_MAX, &s->tcp.depth_bytes))
				return -EINVAL;
			s->tcp.depth_bytes <<= units[i].shift;
			return 0;
		}
	return -EINVAL;
}

/* For all of the process: libhtp's configuration is made once. */
static int set_layers(struct settings *s, struct span name, struct span value)
{
	uint64_t n;

	(void)s;
	(void)name;
	if (!span_u64(value, 16, &n))
		return -EINVAL;
	http_set_layers((unsigned)n);
	return 0;
}

static int set_dns_port(struct settings *s, struct span name, struct span value)
{
	uint64_t n;

	(void)s;
	(void)name;
	if (!span_u64(value, UINT16_MAX, &n))
		return -EINVAL;
	sniff_dns_port((uint16_t)n);
	return 0;
}

static int set_thresholds(struct settings *s, struct span name, struct span value)
{
	(void)name;
	free(s->threshold_file);
	s->threshold_file = span_dup(value);
	return s->threshold_file ? 0 : -ENOMEM;
}

/* vars.address-groups.HOME_NET */
static int set_var(struct settings *s, struct span name, struct span value)
{
	ptrdiff_t dot;

	while ((dot = span_chr(name, '.')) >= 0)
		name = span_skip(name, (size_t)dot + 1);
	return settings_var_set(s, name, span_dup(value));
}

/* host-os-policy.linux=10.0.0.0/8,fd00::/8 */
static int set_hosts(struct settings *s, struct span name, struct span value)
{
	struct span policy = span_skip(name, (size_t)span_chr(name, '.') + 1);

	while (value.n) {
		ptrdiff_t comma = span_chr(value, ',');
		size_t n = comma < 0 ? value.n : (size_t)comma;
		int r = settings_host_add(s, span_trim(span_take(value, n)), policy);

		if (r < 0)
			return r;
		value = span_skip(value, n + 1);
	}
	return 0;
}

static int set_alerts_max(struct settings *s, struct span name, struct span value)
{
	uint64_t n;

	(void)name;
	if (!span_u64(value, 1024, &n))
		return -EINVAL;
	s->alerts_max = n ? (unsigned)n : 15;
	return 0;
}

/* drop,pass,reject,alert */
static int set_action_order(struct settings *s, struct span name, struct span value)
{
	static const char *const actions[] = {"pass", "drop", "reject", "alert"};
	uint8_t rank = 1;

	(void)name;
	while (value.n) {
		ptrdiff_t comma = span_chr(value, ',');
		struct span word = span_trim(span_take(value, comma < 0 ? value.n : (size_t)comma));
		unsigned i = 0;

		value = span_skip(value, comma < 0 ? value.n : (size_t)comma + 1);
		while (i < 4 && !span_caseeq(word, span_str(actions[i])))
			i++;
		if (i == 4)
			return -EINVAL;
		s->action_rank[i] = rank++;
	}
	return rank == 5 ? 0 : -EINVAL;
}

static const struct {
	const char *name; /* with a dot at its end: what begins so */
	int (*set)(struct settings *s, struct span name, struct span value);
} rows[] = {
	{"app-layer.protocols.dns.detection-ports.dp", set_dns_port},
	{"app-layer.protocols.dns.tcp.detection-ports.dp", set_dns_port},
	{"app-layer.protocols.dns.udp.detection-ports.dp", set_dns_port},
	{"app-layer.protocols.http.libhtp.default-config.response-body-decompress-layer-limit",
		set_layers},
	{"action-order", set_action_order},
	{"exception-policy", set_exception},
	{"host-os-policy.", set_hosts},
	{"packet-alert-max", set_alerts_max},
	{"stream.async-oneside", set_async},
	{"stream.inline", set_inline},
	{"stream.midstream", set_midstream},
	{"stream.midstream-policy", set_exception},
	{"stream.reassembly.depth", set_depth},
	{"threshold-file", set_thresholds},
	{"vars.address-groups.", set_var},
	{"vars.port-groups.", set_var},
};

int settings_set(struct settings *s, const char *assignment)
{
	struct span all = span_str(assignment);
	ptrdiff_t equal = span_chr(all, '=');

	if (equal < 0)
		return -EINVAL;
	struct span name = span_take(all, (size_t)equal);
	struct span value = span_trim(span_skip(all, (size_t)equal + 1));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct span row = span_str(rows[i].name);
		bool fits = row.p[row.n - 1] == '.' ? span_casestarts(name, row)
						    : span_caseeq(name, row);
		if (fits)
			return rows[i].set(s, name, value);
	}
	return -ENOENT;
}
