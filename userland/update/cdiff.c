#include "update/cdiff.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zlib.h>

#include "lib/cleanup.h"
#include "update/file.h"
#include "update/type.h"

#define FIELD_BYTES 128   /* of the header, which is shorter */
#define SCRATCH ".edited" /* a name that no script can give: file_name_ok() */

/* What becomes of one line: replaced, or, without a new text, left out. */
struct edit {
	uint64_t line; /* from 1 */
	struct span begins;
	struct span text;
	bool deletes;
};

struct script {
	int dir_fd;
	char name[FILE_NAME_CHARS + 1]; /* of the open file, or "" */
	struct edit *edits;
	size_t edits_n, edits_cap;
	char *added;
	size_t added_n, added_cap;
	const char **why;
};

static int bad(struct script *s, const char *why)
{
	*s->why = why;
	return -EBADMSG;
}

static struct span word_take(struct span *line)
{
	ptrdiff_t blank = span_chr(*line, ' ');
	struct span word = blank < 0 ? *line : span_take(*line, (size_t)blank);

	*line = span_skip(*line, blank < 0 ? line->n : (size_t)blank + 1);
	return word;
}

static bool name_take(struct span *line, char out[FILE_NAME_CHARS + 1])
{
	struct span word = word_take(line);

	if (word.n > FILE_NAME_CHARS)
		return false;
	memcpy(out, word.p, word.n);
	out[word.n] = '\0';
	return file_name_ok(out);
}

/* A file of the folder, read-only in memory; a missing one is empty. */
static int file_map(int dir_fd, const char *name, struct span *ret)
{
	struct stat st;
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	*ret = span_of(NULL, 0);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EBADMSG;
	if (st.st_size == 0)
		return 0;
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*ret = span_of(p, (size_t)st.st_size);
	return 0;
}

static void file_unmap(struct span *s)
{
	if (s->n)
		munmap((void *)s->p, s->n);
}

/* With its end of line. */
static struct span line_take(struct span *s)
{
	ptrdiff_t end = span_chr(*s, '\n');
	struct span line = end < 0 ? *s : span_take(*s, (size_t)end + 1);

	*s = span_skip(*s, line.n);
	return line;
}

static bool line_begins(struct span line, struct span begins)
{
	return line.n >= begins.n && span_eq(span_take(line, begins.n), begins);
}

static void put(FILE *out, struct span s)
{
	if (s.n)
		fwrite(s.p, 1, s.n, out);
}

static FILE *file_append(int dir_fd, const char *name, int flags)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "a");

	if (fd >= 0 && !f)
		close(fd);
	return f;
}

static int file_finish(FILE *f)
{
	int lost = ferror(f);

	return fclose(f) != 0 || lost ? -EIO : 0;
}

static int edit_compare(const void *a, const void *b)
{
	const struct edit *x = a, *y = b;

	return (x->line > y->line) - (x->line < y->line);
}

static int edits_copy(struct script *s, struct span old, FILE *out)
{
	uint64_t line_number = 0;
	size_t next = 0;

	while (old.n > 0) {
		struct span line = line_take(&old);
		const struct edit *e = next < s->edits_n ? &s->edits[next] : NULL;
		line_number++;
		if (!e || e->line != line_number) {
			put(out, line);
			continue;
		}
		if (!line_begins(line, e->begins))
			return bad(s, "a line of the database does not begin as the step says");
		if (!e->deletes) {
			put(out, e->text);
			put(out, SPAN_LIT("\n"));
		}
		next++;
		if (next < s->edits_n && s->edits[next].line == line_number)
			return bad(s, "the step changes a line twice");
	}
	return next == s->edits_n ? 0 : bad(s, "the step changes a line that is not there");
}

static int edits_apply(struct script *s)
{
	_cleanup_(file_unmap) struct span old = {0};
	int r = file_map(s->dir_fd, s->name, &old);

	if (r < 0)
		return r;
	qsort(s->edits, s->edits_n, sizeof(*s->edits), edit_compare);
	FILE *out = file_append(s->dir_fd, SCRATCH, O_TRUNC);
	if (!out)
		return -errno;
	r = edits_copy(s, old, out);
	int e = file_finish(out);
	r = r < 0 ? r : e;
	if (r == 0 && renameat(s->dir_fd, SCRATCH, s->dir_fd, s->name) < 0)
		r = -errno;
	return r;
}

static int on_open(struct script *s, struct span line)
{
	if (s->name[0])
		return bad(s, "the step opens a second file");
	if (!name_take(&line, s->name))
		return bad(s, "the step names a file that cannot be");
	return 0;
}

static int on_add(struct script *s, struct span line)
{
	if (!s->name[0])
		return bad(s, "the step changes a file that is not open");
	if (s->added_n + line.n + 1 > s->added_cap) {
		size_t cap = 2 * (s->added_n + line.n + 1);
		char *more = realloc(s->added, cap);
		if (!more)
			return -ENOMEM;
		s->added = more;
		s->added_cap = cap;
	}
	memcpy(s->added + s->added_n, line.p, line.n);
	s->added[s->added_n + line.n] = '\n';
	s->added_n += line.n + 1;
	return 0;
}

static int edit_add(struct script *s, const struct edit *e)
{
	if (!s->name[0])
		return bad(s, "the step changes a file that is not open");
	if (s->edits_n == CDIFF_EDITS)
		return bad(s, "the step changes more than 1048576 lines of a file");
	if (s->edits_n == s->edits_cap) {
		size_t cap = s->edits_cap ? 2 * s->edits_cap : 64;
		struct edit *more = reallocarray(s->edits, cap, sizeof(*more));
		if (!more)
			return -ENOMEM;
		s->edits = more;
		s->edits_cap = cap;
	}
	s->edits[s->edits_n++] = *e;
	return 0;
}

static int on_del(struct script *s, struct span line)
{
	struct edit e = {.deletes = true};

	if (!span_u64(word_take(&line), UINT32_MAX, &e.line) || e.line == 0)
		return bad(s, "the step has no line number where one is needed");
	e.begins = line;
	return edit_add(s, &e);
}

static int on_xchg(struct script *s, struct span line)
{
	struct edit e = {0};

	if (!span_u64(word_take(&line), UINT32_MAX, &e.line) || e.line == 0)
		return bad(s, "the step has no line number where one is needed");
	e.begins = word_take(&line);
	e.text = line;
	return edit_add(s, &e);
}

static int on_close(struct script *s, struct span line)
{
	int r = 0;

	if (!s->name[0] || line.n)
		return bad(s, "the step closes what is not open");
	if (s->edits_n)
		r = edits_apply(s);
	if (r == 0 && s->added_n) {
		FILE *out = file_append(s->dir_fd, s->name, 0);
		if (!out)
			return -errno;
		put(out, span_of(s->added, s->added_n));
		r = file_finish(out);
	}
	s->name[0] = '\0';
	s->edits_n = s->added_n = 0;
	return r;
}

struct move {
	char from[FILE_NAME_CHARS + 1], to[FILE_NAME_CHARS + 1];
	uint64_t first, last;
	struct span first_begins, last_begins;
};

static int move_copy(struct script *s, const struct move *m, struct span old, FILE *keep, FILE *to)
{
	uint64_t n = 0;

	while (old.n > 0) {
		struct span line = line_take(&old);
		n++;
		if ((n == m->first && !line_begins(line, m->first_begins)) ||
			(n == m->last && !line_begins(line, m->last_begins)))
			return bad(s, "a line of the database does not begin as the step says");
		put(n >= m->first && n <= m->last ? to : keep, line);
	}
	return n >= m->last ? 0 : bad(s, "the step moves lines that are not there");
}

static int on_move(struct script *s, struct span line)
{
	struct move m = {0};
	_cleanup_(file_unmap) struct span old = {0};

	if (s->name[0] || !name_take(&line, m.from) || !name_take(&line, m.to) ||
		strcmp(m.from, m.to) == 0 || !span_u64(word_take(&line), UINT32_MAX, &m.first))
		return bad(s, "the step moves nothing that can be moved");
	m.first_begins = word_take(&line);
	if (!span_u64(word_take(&line), UINT32_MAX, &m.last) || m.first == 0 || m.last < m.first)
		return bad(s, "the step moves nothing that can be moved");
	m.last_begins = line;
	int r = file_map(s->dir_fd, m.from, &old);
	if (r < 0)
		return r;
	FILE *keep = file_append(s->dir_fd, SCRATCH, O_TRUNC),
	     *to = file_append(s->dir_fd, m.to, 0);
	r = keep && to ? move_copy(s, &m, old, keep, to) : -errno;
	int e = keep ? file_finish(keep) : 0, f = to ? file_finish(to) : 0;
	r = r < 0 ? r : e < 0 ? e : f;
	if (r == 0 && renameat(s->dir_fd, SCRATCH, s->dir_fd, m.from) < 0)
		r = -errno;
	return r;
}

static int on_unlink(struct script *s, struct span line)
{
	char name[FILE_NAME_CHARS + 1];

	if (s->name[0] || !name_take(&line, name))
		return bad(s, "the step removes what cannot be removed");
	return unlinkat(s->dir_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static const struct {
	struct span name;
	int (*run)(struct script *s, struct span line);
} commands[] = {
	{{(const uint8_t *)"OPEN", 4}, on_open},
	{{(const uint8_t *)"ADD", 3}, on_add},
	{{(const uint8_t *)"DEL", 3}, on_del},
	{{(const uint8_t *)"XCHG", 4}, on_xchg},
	{{(const uint8_t *)"CLOSE", 5}, on_close},
	{{(const uint8_t *)"MOVE", 4}, on_move},
	{{(const uint8_t *)"UNLINK", 6}, on_unlink},
};

static int command_run(struct script *s, struct span line)
{
	struct span word = word_take(&line);

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (span_eq(word, commands[i].name))
			return commands[i].run(s, line);
	return bad(s, "the step holds an unknown command");
}

int cdiff_script_apply(struct span script, int dir_fd, const char **ret_why)
{
	struct script s = {.dir_fd = dir_fd, .why = ret_why};
	int r = 0;

	while (script.n > 0 && r == 0) {
		struct span line = line_take(&script);
		if (line.n > 0 && line.p[line.n - 1] == '\n')
			line.n--;
		if (line.n > 0 && line.p[0] != '#')
			r = command_run(&s, line);
	}
	if (r == 0 && s.name[0])
		r = bad(&s, "the step ends in the middle");
	free(s.edits);
	free(s.added);
	return r;
}

static int script_inflate(struct span packed, uint64_t bytes, uint8_t *out)
{
	z_stream z = {.next_in = (Bytef *)packed.p,
		.avail_in = (uInt)packed.n,
		.next_out = out,
		.avail_out = (uInt)bytes};

	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return -ENOMEM;
	int r = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	return r == Z_STREAM_END && z.avail_out == 0 ? 0 : -EBADMSG;
}

/* "ClamAV-Diff:2:479:" */
static bool header_read(struct span *s, uint64_t *ret_version, uint64_t *ret_bytes)
{
	uint64_t *numbers[] = {ret_version, ret_bytes};

	if (!line_begins(*s, SPAN_LIT("ClamAV-Diff:")))
		return false;
	*s = span_skip(*s, 12);
	for (int i = 0; i < 2; i++) {
		ptrdiff_t colon = span_chr(span_take(*s, FIELD_BYTES), ':');
		if (colon < 0 || !span_u64(span_take(*s, (size_t)colon), UINT32_MAX, numbers[i]))
			return false;
		*s = span_skip(*s, (size_t)colon + 1);
	}
	return true;
}

int cdiff_apply(int fd, int dir_fd, uint64_t version, const char **ret_why)
{
	struct stat st;
	uint64_t to, bytes;

	*ret_why = "not a CDIFF";
	if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > CDIFF_BYTES)
		return -EBADMSG;
	_cleanup_free_ uint8_t *file = malloc((size_t)st.st_size);
	if (!file || pread(fd, file, (size_t)st.st_size, 0) != st.st_size)
		return -EIO;
	struct span s = span_of(file, (size_t)st.st_size);
	if (!header_read(&s, &to, &bytes) || bytes == 0 || bytes > CDIFF_BYTES)
		return -EBADMSG;
	*ret_why = "the CDIFF is the step to another version";
	if (to != version)
		return -EBADMSG;
	_cleanup_free_ uint8_t *script = malloc(bytes);
	if (!script)
		return -ENOMEM;
	*ret_why = "the CDIFF is damaged or cut off";
	int r = script_inflate(s, bytes, script);
	if (r < 0)
		return r;
	*ret_why = NULL;
	return cdiff_script_apply(span_of(script, bytes), dir_fd, ret_why);
}
