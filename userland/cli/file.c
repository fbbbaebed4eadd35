#include "cli/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "lib/cleanup.h"
#include "lib/path.h"

static bool is_name(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/') && strlen(name) < 128;
}

FILE *file_open(const char *name, const char *mode)
{
	bool write = *mode == 'w';
	_cleanup_close_ int dir = -1, fd = -1;

	if (!is_name(name)) {
		fprintf(stderr,
			"error: a file name: \"%s\"\n  accepted: a name without '/', in the folder "
			"of saved files\n",
			name);
		return NULL;
	}
	dir = open(path_data("export"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		fd = openat(dir, name,
			(write ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC |
				O_NONBLOCK,
			0660);
	FILE *f = fd >= 0 ? fdopen(fd, mode) : NULL;
	if (!f) {
		fprintf(stderr, "error: %s: %s\n", name, strerror(errno));
		return NULL;
	}
	(void)take_fd(&fd);
	return f;
}

bool file_exists(const char *name)
{
	_cleanup_close_ int dir = open(path_data("export"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir >= 0 && is_name(name) && faccessat(dir, name, R_OK, 0) == 0;
}

static char *read_all(FILE *in, bool until_dot)
{
	char *text = NULL;
	_cleanup_free_ char *line = NULL;
	size_t size, cap = 0, total = 0;
	ssize_t n;
	FILE *out = open_memstream(&text, &size);

	while (out && (n = getline(&line, &cap, in)) > 0) {
		if (until_dot && (strcmp(line, ".\n") == 0 || strcmp(line, ".\r\n") == 0))
			break;
		total += (size_t)n;
		if (total > FILE_BYTES_MAX || (size_t)n != strlen(line)) {
			fprintf(stderr, "error: too long (more than %u bytes), or not text\n",
				FILE_BYTES_MAX);
			fclose(out);
			free(text);
			return NULL;
		}
		fputs(line, out);
	}
	if (!out || fclose(out) != 0 || interrupted()) {
		free(text);
		return NULL;
	}
	return text;
}

char *file_read_stream(FILE *in)
{
	return read_all(in, true);
}

char *file_read(const char *name)
{
	_cleanup_fclose_ FILE *f = file_open(name, "re");

	return f ? read_all(f, false) : NULL;
}

void file_complete(const char *prefix, struct candidates *ret)
{
	_cleanup_closedir_ DIR *dir = opendir(path_data("export"));
	const struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (is_name(e->d_name) && strncmp(e->d_name, prefix, strlen(prefix)) == 0)
			candidates_add(ret, e->d_name, "Saved file.", false);
}
