/* What is known of the flow: its application, the version of TLS, how much was sent. */
#include "inspect/detect_scratch.h"
#include "inspect/keyword.h"

static bool proto_holds(const struct check *c, const struct detect_input *in)
{
	bool is = app_is(in->app, (enum rule_proto)c->id);

	/* !http holds once the application is known, and is another */
	return c->how ? in->app != PROTO_IP && !is : is;
}

/* [!]name[,mode]: modes say which direction's answer counts; ours is the flow's. */
static int proto_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	static const char *const modes[] = {
		"final", "original", "either", "to_server", "to_client", "toserver", "toclient"};
	struct span rest = arg, name = {0}, mode = {0};
	struct check *c = rule_check(b);
	bool known = false;

	(void)k;
	if (!c)
		return -EINVAL;
	(void)span_token(&rest, ',', &name);
	c->holds = proto_holds;
	c->is_app = true;
	c->how = name.n && name.p[0] == '!';
	name = span_trim(span_skip(name, c->how));
	if (span_token(&rest, ',', &mode)) {
		for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
			known |= span_caseeq(mode, span_str(modes[i]));
		if (!known)
			return rule_fail(b, mode, "\"%.*s\" is no known mode", SPAN_ARGS(mode));
	}
	if (span_caseeq(name, SPAN_LIT("http1")))
		name = SPAN_LIT("http");
	for (unsigned i = 0; i < PROTO_COUNT; i++)
		if (proto_info[i].is_app && span_caseeq(name, span_str(proto_info[i].name))) {
			c->id = (uint16_t)i;
			return 0;
		}
	if (span_caseeq(name, SPAN_LIT("unknown"))) {
		c->id = PROTO_IP;
		return 0;
	}
	return rule_fail(
		b, name, "\"%.*s\" is no application protocol known here", SPAN_ARGS(name));
}

static bool version_find(const struct step *st, struct detect_scratch *s, struct span buf,
	size_t prev, struct place *place)
{
	(void)s;
	(void)prev;
	(void)place;
	return span_caseeq(st->bytes, buf);
}

static int version_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct step *st = rule_step(b, arg, version_find);
	bool negated = false;
	struct span text = arg;
	uint8_t *copy;

	(void)k;
	if (!st)
		return -EINVAL;
	if (arg.p[0] == '"' && rule_quoted(b, arg, &negated, &text) < 0)
		return -EINVAL;
	if (text.n < 3 || (text.p[0] != '1' && text.p[0] != '2' && text.p[0] != '3'))
		return rule_fail(
			b, arg, "\"%.*s\": 1.0, 1.1, 1.2 or 1.3 is expected", SPAN_ARGS(arg));
	copy = rule_keep(b, text.p, text.n);
	if (!copy)
		return -EINVAL;
	st->buffer = BUFFER_TLS_VERSION;
	st->transforms = NULL;
	st->bytes = span_of(copy, text.n);
	st->startswith = st->endswith = true; /* the whole buffer */
	return 0;
}

enum side { OF_CLIENT, OF_SERVER, OF_BOTH, OF_EITHER };

static bool size_holds(const struct check *c, const struct detect_input *in)
{
	bool client = number_range_has(&c->range, in->stream_bytes[0]);
	bool server = number_range_has(&c->range, in->stream_bytes[1]);

	switch ((enum side)c->field) {
	case OF_CLIENT:
		return client;
	case OF_SERVER:
		return server;
	case OF_BOTH:
		return client && server;
	default:
		return client || server;
	}
}

/* side, operator, number */
static int size_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	static const char *const sides[] = {"client", "server", "both", "either"};
	struct span rest = arg, side = {0}, how = {0}, number = {0};
	struct check *c = rule_check(b);
	char text[32];

	(void)k;
	if (!c)
		return -EINVAL;
	(void)span_token(&rest, ',', &side);
	(void)span_token(&rest, ',', &how);
	(void)span_token(&rest, ',', &number);
	c->holds = size_holds;
	for (c->field = 0; c->field < 4 && !span_caseeq(side, span_str(sides[c->field]));)
		c->field++;
	if (c->field == 4)
		return rule_fail(b, side, "\"%.*s\": client, server, both or either is expected",
			SPAN_ARGS(side));
	if (span_eq(how, SPAN_LIT("!=")))
		how = SPAN_LIT("!");
	if (span_eq(how, SPAN_LIT("=")))
		how = SPAN_LIT("");
	(void)snprintf(text, sizeof(text), "%.*s%.*s", SPAN_ARGS(how), SPAN_ARGS(number));
	if (!number_range_parse(span_str(text), UINT32_MAX - 1, &c->range))
		return rule_fail(b, how, "\"%.*s\": < <= = != >= or > and a number is expected",
			SPAN_ARGS(arg));
	return 0;
}

const struct keyword keyword_app[] = {
	{"app-layer-protocol", ARG_NEEDED, 0, proto_parse},
	{"ssl_version", ARG_NEEDED, 0, version_parse},
	{"stream_size", ARG_NEEDED, 0, size_parse},
	{"tls.version", ARG_NEEDED, 0, version_parse},
	{0},
};
