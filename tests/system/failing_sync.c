/* Preloaded into the gateway by faults_disk_test.py: while the file that FAILING_SYNC_WHILE names
 * exists, fdatasync of files below FAILING_SYNC fails, as on a disk that took what was written and
 * cannot keep it. Nothing is synced then. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fails(int fd) {
  const char* below = getenv("FAILING_SYNC");
  const char* flag = getenv("FAILING_SYNC_WHILE");
  char link[32], path[PATH_MAX];
  if (!below || !flag || access(flag, F_OK) != 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, path, sizeof path);
  const size_t length = strlen(below);
  return size >= (ssize_t)length && memcmp(path, below, length) == 0;
}

int fdatasync(int fd) {
  if (fails(fd)) {
    errno = EIO;
    return -1;
  }
  return (int)syscall(SYS_fdatasync, fd);
}
