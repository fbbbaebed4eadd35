/* cleanup: scoped release of locals. `_cleanup_(free_p) char *s = NULL;` */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void free_p(void *p)
{
	free(*(void **)p);
}

static inline void fclose_p(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void closedir_p(DIR **d)
{
	if (*d)
		closedir(*d);
}

static inline void close_p(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_free_ _cleanup_(free_p)
#define _cleanup_fclose_ _cleanup_(fclose_p)
#define _cleanup_closedir_ _cleanup_(closedir_p)
#define _cleanup_close_ _cleanup_(close_p)

/* Takes the value out of a variable that would be released. */
static inline int take_fd(int *fd)
{
	int v = *fd;
	*fd = -1;
	return v;
}

#define take_ptr(p) \
	({ \
		__typeof__(p) v_ = (p); \
		(p) = NULL; \
		v_; \
	})
