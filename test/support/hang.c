/*
 * A file system that hangs, for LD_PRELOAD: while the file HANG_CONTROL exists, calls that reach for a path
 * below HANG_DIR, or for a file that was opened there, wait. Both are absolute; HANG_CONTROL lies elsewhere.
 *
 * libuv calls some of the kernel's functions by their numbers, so syscall(2) is looked at as well.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_FD 65536
#define PAUSE_US 2000

static const char *dir, *control;
static size_t dir_length;
static volatile char is_below[MAX_FD];
static long (*real_syscall)(long, ...);

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
  real_syscall = NEXT(syscall);
  dir = getenv("HANG_DIR");
  control = getenv("HANG_CONTROL");
  dir_length = dir ? strlen(dir) : 0;
}

static int below(const char *path) {
  if (!dir || !control || !path || strncmp(path, dir, dir_length)) return 0;
  return path[dir_length] == '/' || path[dir_length] == 0;
}

static void wait_until_it_goes_on(void) {
  while (real_syscall(SYS_faccessat, AT_FDCWD, control, F_OK, 0) == 0) usleep(PAUSE_US);
}

static void at_path(const char *path) {
  if (below(path)) wait_until_it_goes_on();
}

static void at_fd(int fd) {
  if (fd >= 0 && fd < MAX_FD && is_below[fd]) wait_until_it_goes_on();
}

static int opened(int fd, const char *path) {
  if (fd >= 0 && fd < MAX_FD) is_below[fd] = below(path);
  return fd;
}

#define OPEN(name)                              \
  int name(const char *path, int flags, ...) {  \
    va_list rest;                               \
    va_start(rest, flags);                      \
    mode_t mode = va_arg(rest, int);            \
    va_end(rest);                               \
    static __typeof__(&name) real;              \
    if (!real) real = NEXT(name);               \
    at_path(path);                              \
    return opened(real(path, flags, mode), path); \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                      \
  int name(int at, const char *path, int flags, ...) {    \
    va_list rest;                                         \
    va_start(rest, flags);                                \
    mode_t mode = va_arg(rest, int);                      \
    va_end(rest);                                         \
    static __typeof__(&name) real;                        \
    if (!real) real = NEXT(name);                         \
    at_path(path);                                        \
    return opened(real(at, path, flags, mode), path);     \
  }
OPENAT(openat)
OPENAT(openat64)

/* Calls that are no more than waited for. */
#define HELD(type, name, hold, declared, passed) \
  type name declared {                           \
    static __typeof__(&name) real;               \
    if (!real) real = NEXT(name);                \
    hold;                                        \
    return real passed;                          \
  }
HELD(ssize_t, write, at_fd(fd), (int fd, const void *from, size_t length), (fd, from, length))
HELD(ssize_t, pwrite, at_fd(fd), (int fd, const void *from, size_t length, off_t at), (fd, from, length, at))
HELD(ssize_t, pwrite64, at_fd(fd), (int fd, const void *from, size_t length, off64_t at), (fd, from, length, at))
HELD(ssize_t, writev, at_fd(fd), (int fd, const struct iovec *from, int count), (fd, from, count))
HELD(ssize_t, pwritev, at_fd(fd), (int fd, const struct iovec *from, int count, off_t at), (fd, from, count, at))
HELD(ssize_t, pwritev64, at_fd(fd), (int fd, const struct iovec *from, int count, off64_t at), (fd, from, count, at))
HELD(int, fsync, at_fd(fd), (int fd), (fd))
HELD(int, fdatasync, at_fd(fd), (int fd), (fd))
HELD(int, ftruncate, at_fd(fd), (int fd, off_t length), (fd, length))
HELD(int, ftruncate64, at_fd(fd), (int fd, off64_t length), (fd, length))
HELD(int, stat, at_path(path), (const char *path, struct stat *into), (path, into))
HELD(int, lstat, at_path(path), (const char *path, struct stat *into), (path, into))
HELD(int, fstat, at_fd(fd), (int fd, struct stat *into), (fd, into))
HELD(int, rename, at_path(to), (const char *from, const char *to), (from, to))
HELD(int, link, at_path(to), (const char *from, const char *to), (from, to))
HELD(int, symlink, at_path(path), (const char *to, const char *path), (to, path))
HELD(int, unlink, at_path(path), (const char *path), (path))
HELD(int, mkdir, at_path(path), (const char *path, mode_t mode), (path, mode))
HELD(DIR *, opendir, at_path(path), (const char *path), (path))

int close(int fd) {
  if (fd >= 0 && fd < MAX_FD) is_below[fd] = 0;
  return real_syscall(SYS_close, fd);
}

long syscall(long number, ...) {
  va_list rest;
  va_start(rest, number);
  long a[6];
  for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_close && a[0] >= 0 && a[0] < MAX_FD) is_below[a[0]] = 0;
  if (number == SYS_statx) {
    const char *path = (const char *)a[1];
    if (path && *path) at_path(path);
    else at_fd(a[0]);
  }
  return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
