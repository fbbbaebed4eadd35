#include "scan/engine.h"

#include <clamav.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scan/fact.h"

struct engine {
	struct cl_engine *cl;
	unsigned signatures;
};

/* What libclamav calls back about during one call. */
struct call {
	const struct engine_call *in;
	struct scan_verdict *out;
};

void engine_limits_defaults(struct engine_limits *limits)
{
	*limits = (struct engine_limits){
		.total_bytes = 400u << 20,
		.file_bytes = 100u << 20,
		.depth = 17,
		.files = 10000,
		.time_ms = 20000,
	};
}

/* The library's opinion comes back as a return code; its chatter would fill the journal at a
 * sender's will. */
static void ignore_message(enum cl_msg severity, const char *full, const char *text, void *context)
{
	(void)severity;
	(void)full;
	(void)text;
	(void)context;
}

int engine_init(void)
{
	cl_set_clcb_msg(ignore_message);
	return cl_init(CL_INIT_DEFAULT) == CL_SUCCESS ? 0 : -EIO;
}

/* ---- what the library finds on its way ---- */

static const struct {
	struct span prefix;
	uint32_t facts;
	const char *limit;
} names[] = {
	{SPAN_LIT("Heuristics.Limits.Exceeded.MaxRecursion"), 0, "depth"},
	{SPAN_LIT("Heuristics.Limits.Exceeded.MaxFileSize"), 0, "size"},
	{SPAN_LIT("Heuristics.Limits.Exceeded.MaxFiles"), 0, "files"},
	{SPAN_LIT("Heuristics.Limits.Exceeded.MaxScanTime"), 0, "time"},
	{SPAN_LIT("Heuristics.Limits.Exceeded"), 0, "size"},
	{SPAN_LIT("Heuristics.Encrypted.PDF"), FACT_ENCRYPTED_DOCUMENT, NULL},
	{SPAN_LIT("Heuristics.Encrypted.Zip"), FACT_ENCRYPTED_ARCHIVE | FACT_PPAP, NULL},
	{SPAN_LIT("Heuristics.Encrypted."), FACT_ENCRYPTED_ARCHIVE, NULL},
	{SPAN_LIT("Heuristics.OLE2.ContainsMacros"), FACT_MACRO, NULL},
};

static void verdict_worsen(struct scan_verdict *v, enum scan_result result)
{
	if (result > v->result)
		v->result = result;
}

static void text_set(char *out, size_t cap, const char *text)
{
	if (!*out)
		snprintf(out, cap, "%s", text);
}

static void name_judge(struct scan_verdict *v, const char *name)
{
	struct span s = span_str(name);

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!span_casestarts(s, names[i].prefix))
			continue;
		v->facts |= names[i].facts;
		if (names[i].limit) {
			verdict_worsen(v, SCAN_LIMIT);
			text_set(v->limit, sizeof(v->limit), names[i].limit);
		}
		return;
	}
	if (v->result != SCAN_INFECTED)
		*v->signature = '\0';
	verdict_worsen(v, SCAN_INFECTED);
	text_set(v->signature, sizeof(v->signature), name);
}

static void on_virus(int fd, const char *name, void *context)
{
	struct call *c = context;

	(void)fd;
	if (c && name)
		name_judge(c->out, name);
}

static cl_error_t on_member(const char *container, unsigned long container_bytes, const char *name,
	unsigned long bytes, int is_encrypted, unsigned position, void *context)
{
	struct call *c = context;

	(void)container_bytes;
	(void)bytes;
	(void)position;
	if (!c)
		return CL_CLEAN;
	uint32_t facts = name ? fact_of_name(name) : 0;
	if (facts & FACT_EXECUTABLE_NAME)
		facts = (facts & ~(uint32_t)FACT_EXECUTABLE_NAME) | FACT_EXECUTABLE_IN_ARCHIVE;
	if (facts)
		text_set(c->out->detail, sizeof(c->out->detail), name);
	if (is_encrypted) {
		facts |= FACT_ENCRYPTED_ARCHIVE;
		if (container && strstr(container, "ZIP"))
			facts |= FACT_PPAP;
	}
	c->out->facts |= facts;
	return CL_CLEAN;
}

static cl_error_t on_file(int fd, const char *type, const char **ancestors, size_t parent_bytes,
	const char *name, size_t bytes, const char *buffer, uint32_t level, uint32_t attributes,
	void *context)
{
	struct call *c = context;

	(void)fd;
	(void)ancestors;
	(void)parent_bytes;
	(void)attributes;
	if (!c || !type)
		return CL_CLEAN;
	uint32_t facts = fact_of_type(type, level > 0);
	if (buffer && strcmp(type, "CL_TYPE_MSOLE2") == 0)
		facts |= fact_of_ole2(span_of(buffer, bytes));
	if (facts & FACT_EXECUTABLE_IN_ARCHIVE)
		text_set(c->out->detail, sizeof(c->out->detail), name ? name : type);
	c->out->facts |= facts;
	if (level > 0 && strcmp(type, "CL_TYPE_MAIL") == 0 && buffer && c->in->on_mail)
		c->in->on_mail(c->in->ctx, span_of(buffer, bytes));
	return CL_CLEAN;
}

/* ---- loading ---- */

static int fail(char **ret_why, int error, const char *what, const char *why)
{
	if (asprintf(ret_why, "%s: %s", what, why) < 0)
		*ret_why = NULL;
	return error;
}

static int engine_fill(
	struct engine *e, const char *const *dirs, unsigned n, unsigned needed, char **ret_why)
{
	cl_error_t r;

	for (unsigned i = 0; i < n; i++) {
		unsigned before = e->signatures;
		if (i >= needed && access(dirs[i], R_OK) < 0)
			continue;
		r = cl_load(dirs[i], e->cl, &e->signatures, CL_DB_STDOPT);
		if (r != CL_SUCCESS)
			return fail(ret_why, -EBADMSG, dirs[i], cl_strerror(r));
		if (i < needed && e->signatures == before)
			return fail(ret_why, -ENODATA, dirs[i], "no signatures");
	}
	r = cl_engine_compile(e->cl);
	return r == CL_SUCCESS ? 0 : fail(ret_why, -EBADMSG, "compile", cl_strerror(r));
}

static void limits_set(struct engine *e, const struct engine_limits *l)
{
	const struct {
		enum cl_engine_field field;
		long long value;
	} rows[] = {
		{CL_ENGINE_MAX_SCANSIZE, (long long)l->total_bytes},
		{CL_ENGINE_MAX_FILESIZE, (long long)l->file_bytes},
		{CL_ENGINE_MAX_RECURSION, l->depth},
		{CL_ENGINE_MAX_FILES, l->files},
		{CL_ENGINE_MAX_SCANTIME, l->time_ms},
		{CL_ENGINE_BYTECODE_SECURITY, CL_BYTECODE_TRUST_SIGNED},
		/* No page of a worker needs to be writable and executable. */
		{CL_ENGINE_BYTECODE_MODE, CL_BYTECODE_MODE_INTERPRETER},
		/* The cache of verdicts is ours (cache.h): the library's knows no facts. */
		{CL_ENGINE_DISABLE_CACHE, 1},
		{CL_ENGINE_DISABLE_PE_STATS, 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cl_engine_set_num(e->cl, rows[i].field, rows[i].value);
	cl_engine_set_clcb_virus_found(e->cl, on_virus);
	cl_engine_set_clcb_meta(e->cl, on_member);
	cl_engine_set_clcb_file_inspection(e->cl, on_file);
}

int engine_load(const char *const *dirs, unsigned n, unsigned needed, const char *tmp,
	const struct engine_limits *limits, struct engine **ret, char **ret_why)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->cl = cl_engine_new();
	if (!e->cl) {
		free(e);
		return -ENOMEM;
	}
	limits_set(e, limits);
	int r = engine_set_tmp(e, tmp);
	if (r == 0)
		r = engine_fill(e, dirs, n, needed, ret_why);
	if (r < 0) {
		engine_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	cl_engine_free(e->cl);
	free(e);
}

unsigned engine_signatures(const struct engine *e)
{
	return e->signatures;
}

int engine_set_tmp(struct engine *e, const char *tmp)
{
	return cl_engine_set_str(e->cl, CL_ENGINE_TMPDIR, tmp) == CL_SUCCESS ? 0 : -ENOMEM;
}

void engine_set_time(struct engine *e, unsigned time_ms)
{
	cl_engine_set_num(e->cl, CL_ENGINE_MAX_SCANTIME, time_ms);
}

/* ---- scanning ---- */

static const struct {
	cl_error_t error;
	const char *limit;
} limit_errors[] = {
	{CL_EMAXREC, "depth"},
	{CL_EMAXSIZE, "size"},
	{CL_EMAXFILES, "files"},
	{CL_ETIMEOUT, "time"},
};

static void error_judge(struct scan_verdict *v, cl_error_t r)
{
	for (size_t i = 0; i < sizeof(limit_errors) / sizeof(*limit_errors); i++) {
		if (limit_errors[i].error != r)
			continue;
		verdict_worsen(v, SCAN_LIMIT);
		text_set(v->limit, sizeof(v->limit), limit_errors[i].limit);
		return;
	}
	verdict_worsen(v, SCAN_ERROR);
	text_set(v->signature, sizeof(v->signature), cl_strerror(r));
}

void engine_scan(const struct engine *e, const struct engine_call *in, struct scan_verdict *ret)
{
	/* With the alert for limits off, an over-limit file would be clean. All matches: a fact
	 * must not end the search for a virus. */
	struct cl_scan_options options = {
		.general = CL_SCAN_GENERAL_HEURISTICS | CL_SCAN_GENERAL_ALLMATCHES,
		.parse = ~0u & ~(uint32_t)CL_SCAN_PARSE_IMAGE_FUZZY_HASH,
		.heuristic = CL_SCAN_HEURISTIC_EXCEEDS_MAX | CL_SCAN_HEURISTIC_ENCRYPTED_ARCHIVE |
			     CL_SCAN_HEURISTIC_ENCRYPTED_DOC | CL_SCAN_HEURISTIC_MACROS,
	};
	struct call call = {in, ret};
	unsigned long scanned = 0;
	const char *name = NULL;

	*ret = (struct scan_verdict){0};
	if (in->bytes.n == 0)
		return;
	if (!in->parse_mail)
		options.parse &= ~(uint32_t)CL_SCAN_PARSE_MAIL;
	cl_fmap_t *map = cl_fmap_open_memory(in->bytes.p, in->bytes.n);
	if (!map) {
		error_judge(ret, CL_EMEM);
		return;
	}
	cl_error_t r = cl_scanmap_callback(map, NULL, &name, &scanned, e->cl, &options, &call);
	cl_fmap_close(map);
	if (r == CL_VIRUS)
		/* No name: the file itself is over the size limit. */
		name_judge(ret, name ? name : "Heuristics.Limits.Exceeded");
	else if (r != CL_CLEAN && r != CL_VERIFIED)
		error_judge(ret, r);
}

bool engine_finds_sample(const struct engine *e)
{
	/* In two halves, so that neither this source nor the binary is taken for the sample itself.
	 */
	static const char head[] = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$",
			  tail[] = "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";
	char sample[sizeof(head) + sizeof(tail)];
	struct scan_verdict v;

	int n = snprintf(sample, sizeof(sample), "%s%s", head, tail);
	engine_scan(e, &(struct engine_call){.bytes = span_of(sample, (size_t)n)}, &v);
	return v.result == SCAN_INFECTED;
}

const char *scan_result_name(enum scan_result result)
{
	static const char *const words[] = {
		[SCAN_CLEAN] = "clean",
		[SCAN_ERROR] = "error",
		[SCAN_AMBIGUOUS] = "ambiguous",
		[SCAN_LIMIT] = "limit",
		[SCAN_INFECTED] = "infected",
	};
	return words[result];
}
