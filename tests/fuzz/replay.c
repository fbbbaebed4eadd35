/*
 * replay: the main() of fuzz targets when no fuzzer drives them. Feeds every file of the folders
 * (or the files) given as arguments to LLVMFuzzerTestOneInput(); a crash is the failure. Reports in
 * one line `ok ...`. Exit 1 when a path cannot be read or holds nothing, 2 without arguments.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_BYTES_MAX (1L << 20) /* libFuzzer's own default for a corpus file */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned files;

static int replay_file(const char *path)
{
	static uint8_t buf[INPUT_BYTES_MAX];
	FILE *f = fopen(path, "rb");

	if (!f)
		return -errno;
	size_t n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	/* A copy of exact size, so that AddressSanitizer sees a read past its end. */
	uint8_t *exact = malloc(n ? n : 1);
	if (!exact)
		return -ENOMEM;
	memcpy(exact, buf, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	files++;
	return 0;
}

static int replay_folder(const char *path)
{
	struct dirent **entries;
	int r = 0;
	int n = scandir(path, &entries, NULL, alphasort);

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		char file[4096];
		if (entries[i]->d_name[0] != '.' && r >= 0) {
			snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
			r = replay_file(file);
		}
		free(entries[i]);
	}
	free(entries);
	return r;
}

static int replay(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? replay_folder(path) : replay_file(path);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s FOLDER|FILE...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		int r = replay(argv[i]);
		if (r < 0) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(-r));
			return 1;
		}
	}
	printf("%s replay of %u inputs\n", files ? "ok" : "not ok", files);
	return files ? 0 : 1;
}
