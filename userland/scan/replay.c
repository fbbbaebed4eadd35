#include "scan/replay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "scan/report.h"

struct replay {
	struct scanner scanner;
	const char *database;
};

static int on_mime(void *ctx, const struct mime_part *p)
{
	(void)ctx;
	printf("  %u depth %u %s type=%s bytes=%zu", p->number, p->depth,
		mime_encoding_name(p->encoding), p->type, p->content.n);
	for (unsigned i = 0; i < p->name_count; i++)
		printf(" name=%s", p->names[i]);
	printf("\n");
	return 0;
}

static void mime_print(const struct scanner *s, struct span text)
{
	struct mime_report r;

	mime_read(text, &s->limits.mime, on_mime, NULL, &r);
	printf("  parts %u, limit %s, %s\n", r.parts, mime_limit_name(r.limit),
		r.ambiguous ? r.ambiguous : "readable");
}

static int scan_print(const struct replay *p, const char *path, struct span text)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL, *file = NULL;
	_cleanup_free_ char *line = NULL;
	static struct report report;

	message_scan(&p->scanner, text, &report);
	int r = report_build(&report, p->database, &reply);
	if (r >= 0)
		r = sd_json_variant_new_string(&file, path);
	if (r >= 0)
		r = sd_json_variant_set_field(&reply, "file", file);
	if (r >= 0)
		r = sd_json_variant_format(reply, 0, &line);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
	else
		printf("%s\n", line);
	return r < 0;
}

static int file_replay(const struct replay *p, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *text = MAP_FAILED;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0)
		text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED) {
		fprintf(stderr, "%s: %s\n", path, errno ? strerror(errno) : "empty");
		return 1;
	}
	struct span message = span_of(text, (size_t)st.st_size);
	int r = 0;
	if (p->scanner.engine) {
		r = scan_print(p, path, message);
	} else {
		printf("%s\n", path);
		mime_print(&p->scanner, message);
	}
	munmap(text, message.n);
	return r;
}

static int path_replay(const struct replay *p, const char *path)
{
	struct dirent **entries;
	int bad = 0;
	int n = scandir(path, &entries, NULL, alphasort);

	if (n < 0)
		return file_replay(p, path);
	for (int i = 0; i < n; i++) {
		char file[4096];
		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		struct stat st;
		if (stat(file, &st) == 0 && S_ISREG(st.st_mode))
			bad |= file_replay(p, file);
		free(entries[i]);
	}
	free(entries);
	return bad;
}

int replay_scan(const struct engine *e, const char *database, char *const *paths)
{
	struct replay p = {.scanner = {.engine = e}, .database = database};
	int bad = 0;

	p.scanner.cache = cache_new();
	message_limits_defaults(&p.scanner.limits);
	for (; *paths; paths++)
		bad |= path_replay(&p, *paths);
	cache_free(p.scanner.cache);
	return bad;
}

int replay_mime(char *const *paths)
{
	return replay_scan(NULL, "", paths);
}
