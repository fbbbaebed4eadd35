/* The script of a CDIFF, applied to a small database in a folder of its own. Nothing may leave the
 * folder, and the process lives. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "update/cdiff.h"
#include "update/cvd.h"
#include "update/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void file_set(int dir_fd, const char *name, const char *text)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char folder[] = "/tmp/fuzz-cdiff-XXXXXX", files[64];
	const char *why = NULL;
	struct cvd_header h;

	if (!mkdtemp(folder))
		abort();
	snprintf(files, sizeof(files), "%s/files", folder);
	mkdir(files, 0700);
	int dir_fd = open(files, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file_set(dir_fd, "t.info", "ClamAV-VDB:x:1:2:3:X:X:b:1\nt.ndb:9:00\nDSIG:x\n");
	file_set(dir_fd, "t.ndb", "one\ntwo\nthree\n");
	int r = cdiff_script_apply(span_of(data, size), dir_fd, &why);
	if (r == 0 && cvd_info_check(dir_fd, "t", &h, &why) == 0) {
		int fd = openat(dir_fd, ".cld", O_RDWR | O_CREAT | O_TRUNC, 0600);
		cvd_pack(dir_fd, "t", fd, &why);
		close(fd);
	}
	close(dir_fd);
	folder_remove(files);
	if (rmdir(folder) < 0)
		abort(); /* something else is in it */
	return 0;
}
