#include "scan/engine.h"

#include <clamav.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/cleanup.h"

struct engine {
	struct cl_engine *cl;
	unsigned signatures;
};

static const struct {
	enum cl_engine_field field;
	long long value;
} limits[] = {
	{CL_ENGINE_MAX_SCANSIZE, SCAN_TOTAL_BYTES},
	{CL_ENGINE_MAX_FILESIZE, SCAN_FILE_BYTES},
	{CL_ENGINE_MAX_RECURSION, SCAN_RECURSION},
	{CL_ENGINE_MAX_FILES, SCAN_FILES},
	{CL_ENGINE_MAX_SCANTIME, SCAN_TIME_MS},
	{CL_ENGINE_BYTECODE_SECURITY, CL_BYTECODE_TRUST_SIGNED},
	/* No page of a worker needs to be writable and executable. */
	{CL_ENGINE_BYTECODE_MODE, CL_BYTECODE_MODE_INTERPRETER},
	/* A message is seen once; a cache only remembers what an attacker taught it. */
	{CL_ENGINE_DISABLE_CACHE, 1},
	{CL_ENGINE_DISABLE_PE_STATS, 1},
};

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

static cl_error_t on_progress(size_t total, size_t now, void *context)
{
	engine_progress progress = *(engine_progress *)context;

	(void)total;
	(void)now;
	progress();
	return CL_SUCCESS;
}

static int fail(char **ret_why, int error, const char *what, const char *why)
{
	if (asprintf(ret_why, "%s: %s", what, why) < 0)
		*ret_why = NULL;
	return error;
}

static int engine_fill(struct engine *e, const char *const *dirs, unsigned n, char **ret_why)
{
	cl_error_t r;

	for (unsigned i = 0; i < n; i++) {
		unsigned before = e->signatures;
		r = cl_load(dirs[i], e->cl, &e->signatures, CL_DB_STDOPT);
		if (r != CL_SUCCESS)
			return fail(ret_why, -EBADMSG, dirs[i], cl_strerror(r));
		if (e->signatures == before)
			return fail(ret_why, -ENODATA, dirs[i], "no signatures");
	}
	r = cl_engine_compile(e->cl);
	return r == CL_SUCCESS ? 0 : fail(ret_why, -EBADMSG, "compile", cl_strerror(r));
}

int engine_load(const char *const *dirs, unsigned n, const char *tmp, engine_progress progress,
	struct engine **ret, char **ret_why)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->cl = cl_engine_new();
	if (!e->cl) {
		free(e);
		return -ENOMEM;
	}
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		cl_engine_set_num(e->cl, limits[i].field, limits[i].value);
	int r = engine_set_tmp(e, tmp);
	if (progress) {
		cl_engine_set_clcb_sigload_progress(e->cl, on_progress, &progress);
		cl_engine_set_clcb_engine_compile_progress(e->cl, on_progress, &progress);
	}
	if (r == 0)
		r = engine_fill(e, dirs, n, ret_why);
	/* The context is this call's own: nothing may call it later. */
	cl_engine_set_clcb_sigload_progress(e->cl, NULL, NULL);
	cl_engine_set_clcb_engine_compile_progress(e->cl, NULL, NULL);
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

/* With the alert for exceeded limits on, the library names the limit as if it were a virus. */
static bool is_limit(cl_error_t r, const char *name)
{
	static const char limit_prefix[] = "Heuristics.Limits.Exceeded";

	switch (r) {
	case CL_VIRUS:
		/* No name: the message itself is over the size limit. */
		return !name || strncmp(name, limit_prefix, sizeof(limit_prefix) - 1) == 0;
	case CL_EMAXREC:
	case CL_EMAXSIZE:
	case CL_EMAXFILES:
	case CL_ETIMEOUT:
		return true;
	default:
		return false;
	}
}

void engine_scan(const struct engine *e, int fd, struct scan_verdict *ret)
{
	struct cl_scan_options options = {
		.general = CL_SCAN_GENERAL_HEURISTICS,
		.parse = ~0u & ~(uint32_t)CL_SCAN_PARSE_IMAGE_FUZZY_HASH,
		.heuristic = CL_SCAN_HEURISTIC_EXCEEDS_MAX,
	};
	unsigned long scanned = 0;
	const char *name = NULL;

	cl_error_t r = cl_scandesc_callback(fd, NULL, &name, &scanned, e->cl, &options, NULL);
	if (is_limit(r, name))
		*ret = (struct scan_verdict){
			SCAN_LIMIT, name ? name : "Heuristics.Limits.Exceeded"};
	else if (r == CL_VIRUS)
		*ret = (struct scan_verdict){SCAN_INFECTED, name};
	else if (r == CL_CLEAN)
		*ret = (struct scan_verdict){SCAN_CLEAN, ""};
	else
		*ret = (struct scan_verdict){SCAN_ERROR, cl_strerror(r)};
}

bool engine_finds_sample(const struct engine *e)
{
	/* In two halves, so that neither this source nor the binary is taken for the sample itself.
	 */
	static const char head[] = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$",
			  tail[] = "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";
	_cleanup_close_ int fd = memfd_create("sample", MFD_CLOEXEC);
	struct scan_verdict v;

	if (fd < 0 || dprintf(fd, "%s%s", head, tail) != 68)
		return false;
	engine_scan(e, fd, &v);
	return v.result == SCAN_INFECTED;
}

const char *scan_result_name(enum scan_result result)
{
	static const char *const names[] = {
		[SCAN_CLEAN] = "clean",
		[SCAN_INFECTED] = "infected",
		[SCAN_LIMIT] = "limit",
		[SCAN_ERROR] = "error",
	};
	return names[result];
}
