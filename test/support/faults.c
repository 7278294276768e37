/*
 * Preloaded into the proxy (LD_PRELOAD): what it does to the files of one directory, and what it sends to one
 * port, is written down in order, so that a test can tell what a disk would hold if the power failed at any
 * moment. Writes to those files can be stalled.
 *
 * FAULTS_DIR    the directory, absolute, without a slash at its end; what is in its subdirectories is not seen
 * FAULTS_LOG    where to write down; nothing is when it is not set
 * FAULTS_PORT   port of the server
 * FAULTS_STALL  while this path exists, writes to files of the directory wait
 *
 * An entry: uint32 size of what follows the header, uint32 kind, uint64 inode (or file descriptor), int64
 * offset, length or number; all in the machine's own byte order.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE = 1, TRUNCATE, SYNC_BEGUN, SYNC_DONE, CREATE, RENAME, UNLINK, LINK, SYMLINK, SEND };

struct header {
  uint32_t size, kind;
  uint64_t inode;
  int64_t number;
};

#define MAX_FD 65536
static uint64_t inodes[MAX_FD];
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static const char *dir, *stall;
static size_t dir_length;
static int port, out = -1;
static int64_t syncs;

#define REAL(name) static __typeof__(&name) real_##name
REAL(write);
REAL(writev);
REAL(pwrite64);
REAL(pwritev64);
REAL(open64);
REAL(ftruncate64);
REAL(fdatasync);
REAL(fsync);
REAL(rename);
REAL(unlink);
REAL(link);
REAL(symlink);
REAL(send);
REAL(sendmsg);
#define FIND(name) real_##name = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
  FIND(write);
  FIND(writev);
  FIND(pwrite64);
  FIND(pwritev64);
  FIND(open64);
  FIND(ftruncate64);
  FIND(fdatasync);
  FIND(fsync);
  FIND(rename);
  FIND(unlink);
  FIND(link);
  FIND(symlink);
  FIND(send);
  FIND(sendmsg);
  dir = getenv("FAULTS_DIR");
  stall = getenv("FAULTS_STALL");
  dir_length = dir ? strlen(dir) : 0;
  if (getenv("FAULTS_PORT")) port = atoi(getenv("FAULTS_PORT"));
  if (getenv("FAULTS_LOG"))
    out = syscall(SYS_openat, AT_FDCWD, getenv("FAULTS_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* One entry is one write: kill -9 leaves it whole or out. The caller holds `order`. */
static void note(enum kind kind, uint64_t inode, int64_t number, const struct iovec *parts, int count, size_t size) {
  if (out < 0) return;
  struct header header = {size, kind, inode, number};
  char *entry = malloc(sizeof header + size);
  size_t at = sizeof header;
  memcpy(entry, &header, sizeof header);
  for (int i = 0; i < count && at < sizeof header + size; i++) {
    size_t left = sizeof header + size - at, length = parts[i].iov_len < left ? parts[i].iov_len : left;
    memcpy(entry + at, parts[i].iov_base, length);
    at += length;
  }
  syscall(SYS_write, out, entry, at);
  free(entry);
}

static size_t size_of(const struct iovec *parts, int count) {
  size_t size = 0;
  for (int i = 0; i < count; i++) size += parts[i].iov_len;
  return size;
}

/* The file's name in the directory, "" for the directory itself, NULL for anything else. */
static const char *name_of(const char *path) {
  if (!dir || !path || strncmp(path, dir, dir_length) != 0) return NULL;
  if (path[dir_length] == 0) return "";
  if (path[dir_length] != '/' || strchr(path + dir_length + 1, '/')) return NULL;
  return path + dir_length + 1;
}

static void note_names(enum kind kind, uint64_t inode, const char *first, const char *second) {
  struct iovec parts[] = {{(void *)first, strlen(first)}, {"", 1}, {(void *)second, strlen(second)}};
  note(kind, inode, 0, parts, 3, size_of(parts, 3));
}

enum target { OTHER, OURS, SERVER };

static enum target target_of(int fd, uint64_t *inode) {
  struct stat stat;
  int error = errno;
  enum target target = OTHER;
  if (fd >= 0 && fd < MAX_FD && fstat(fd, &stat) == 0) {
    if (S_ISSOCK(stat.st_mode)) {
      struct sockaddr_in peer;
      socklen_t length = sizeof peer;
      *inode = fd;
      if (port && getpeername(fd, (struct sockaddr *)&peer, &length) == 0 && peer.sin_family == AF_INET &&
          ntohs(peer.sin_port) == port)
        target = SERVER;
    } else if ((S_ISREG(stat.st_mode) || S_ISDIR(stat.st_mode)) && inodes[fd] == stat.st_ino) {
      *inode = stat.st_ino;
      target = OURS;
    }
  }
  errno = error;
  return target;
}

static void wait_while_stalled(void) {
  struct stat stat_;
  int error = errno;
  while (stall && stat(stall, &stat_) == 0) usleep(2000);
  errno = error;
}

/* A write at `offset`, or, below 0, at the file's own position. */
static ssize_t written(int fd, const struct iovec *parts, int count, off64_t offset) {
  uint64_t inode = 0;
  enum target target = target_of(fd, &inode);
  if (target == OURS) wait_while_stalled();
  if (target != OTHER) pthread_mutex_lock(&order);
  if (target == SERVER) note(SEND, inode, 0, parts, count, size_of(parts, count));
  ssize_t size;
  if (offset < 0) size = count == 1 ? real_write(fd, parts->iov_base, parts->iov_len) : real_writev(fd, parts, count);
  else if (count == 1) size = real_pwrite64(fd, parts->iov_base, parts->iov_len, offset);
  else size = real_pwritev64(fd, parts, count, offset);
  int error = errno;
  if (target == OURS && size > 0)
    note(WRITE, inode, offset < 0 ? lseek64(fd, 0, SEEK_CUR) - size : offset, parts, count, size);
  if (target != OTHER) pthread_mutex_unlock(&order);
  errno = error;
  return size;
}

ssize_t write(int fd, const void *bytes, size_t size) {
  struct iovec part = {(void *)bytes, size};
  return written(fd, &part, 1, -1);
}
ssize_t writev(int fd, const struct iovec *parts, int count) { return written(fd, parts, count, -1); }
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
  struct iovec part = {(void *)bytes, size};
  return written(fd, &part, 1, offset);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
  return written(fd, parts, count, offset);
}

static void note_send(int fd, const struct iovec *parts, int count) {
  uint64_t inode = 0;
  if (target_of(fd, &inode) != SERVER) return;
  pthread_mutex_lock(&order);
  note(SEND, inode, 0, parts, count, size_of(parts, count));
  pthread_mutex_unlock(&order);
}
ssize_t send(int fd, const void *bytes, size_t size, int flags) {
  struct iovec part = {(void *)bytes, size};
  note_send(fd, &part, 1);
  return real_send(fd, bytes, size, flags);
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  note_send(fd, message->msg_iov, message->msg_iovlen);
  return real_sendmsg(fd, message, flags);
}

int open64(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
  va_end(more);
  const char *name = name_of(path);
  if (!name) return real_open64(path, flags, mode);
  pthread_mutex_lock(&order);
  struct stat before, after;
  int existed = stat(path, &before) == 0, fd = real_open64(path, flags, mode), error = errno;
  if (fd >= 0 && fd < MAX_FD && fstat(fd, &after) == 0) {
    inodes[fd] = after.st_ino;
    if (!existed) note_names(CREATE, after.st_ino, name, "");
    else if (flags & O_TRUNC) note(TRUNCATE, after.st_ino, 0, NULL, 0, 0);
  }
  pthread_mutex_unlock(&order);
  errno = error;
  return fd;
}

int ftruncate64(int fd, off64_t length) {
  uint64_t inode = 0;
  if (target_of(fd, &inode) != OURS) return real_ftruncate64(fd, length);
  pthread_mutex_lock(&order);
  int result = real_ftruncate64(fd, length), error = errno;
  if (result == 0) note(TRUNCATE, inode, length, NULL, 0, 0);
  pthread_mutex_unlock(&order);
  errno = error;
  return result;
}

/* What was written while a sync ran may have been missed by it: both its ends are noted. */
static int synced(int fd, int (*real)(int)) {
  uint64_t inode = 0;
  if (target_of(fd, &inode) != OURS) return real(fd);
  pthread_mutex_lock(&order);
  int64_t number = ++syncs;
  note(SYNC_BEGUN, inode, number, NULL, 0, 0);
  pthread_mutex_unlock(&order);
  int result = real(fd), error = errno;
  pthread_mutex_lock(&order);
  if (result == 0) note(SYNC_DONE, inode, number, NULL, 0, 0);
  pthread_mutex_unlock(&order);
  errno = error;
  return result;
}
int fdatasync(int fd) { return synced(fd, real_fdatasync); }
int fsync(int fd) { return synced(fd, real_fsync); }

#define NAMED(kind, first, second, call)                                      \
  const char *from = name_of(first), *to = name_of(second);                   \
  if (!from && !to) return call;                                              \
  pthread_mutex_lock(&order);                                                 \
  int result = call, error = errno;                                           \
  if (result == 0) note_names(kind, 0, from ? from : first, to ? to : second); \
  pthread_mutex_unlock(&order);                                               \
  errno = error;                                                              \
  return result

int rename(const char *old, const char *new) { NAMED(RENAME, old, new, real_rename(old, new)); }
int link(const char *old, const char *new) { NAMED(LINK, old, new, real_link(old, new)); }
int symlink(const char *value, const char *new) { NAMED(SYMLINK, value, new, real_symlink(value, new)); }
int unlink(const char *path) { NAMED(UNLINK, path, path, real_unlink(path)); }
