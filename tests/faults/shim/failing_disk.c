/* Preloaded into a process: the n-th call that reads, writes, syncs or truncates one of the files whose
 * path holds DISK_PATH fails, or, with DISK_FULL, every write from the n-th call on finds no room.
 *
 *   DISK_OPS   which calls count: letters of r (read), w (write), s (sync), t (truncate)
 *   DISK_NTH   which one fails, from 1; 0: none, they are only counted
 *   DISK_FULL  set: from that one on all fail with ENOSPC, until the file DISK_ROOM exists
 */
#include "disk.h"

#include <stdatomic.h>

static atomic_long passed;

/* 0, or the error that this call is to fail with. */
static int fault(int fd, char op) {
    char path[PATH_SIZE];
    if (!strchr(setting("DISK_OPS"), op) || !ours(fd, path)) return 0;
    long number = atomic_fetch_add(&passed, 1) + 1, nth = atol(setting("DISK_NTH"));
    if (!nth) return 0;
    if (getenv("DISK_FULL"))
        return number >= nth && access(setting("DISK_ROOM"), F_OK) ? ENOSPC : 0;
    return number == nth ? EIO : 0;
}

#define FAIL_IF(op)                       \
    int error = fault(fd, op);            \
    if (error) { errno = error; return -1; }

ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
    REAL(ssize_t, "pread64", int, void *, size_t, off64_t) FAIL_IF('r')
    return real(fd, data, size, at);
}
ssize_t pread(int fd, void *data, size_t size, off_t at) {
    REAL(ssize_t, "pread", int, void *, size_t, off_t) FAIL_IF('r')
    return real(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t) FAIL_IF('w')
    return real(fd, data, size, at);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t) FAIL_IF('w')
    return real(fd, data, size, at);
}
ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t) FAIL_IF('w')
    return real(fd, data, size);
}
int fsync(int fd) {
    REAL(int, "fsync", int) FAIL_IF('s')
    return real(fd);
}
int fdatasync(int fd) {
    REAL(int, "fdatasync", int) FAIL_IF('s')
    return real(fd);
}
int ftruncate64(int fd, off64_t size) {
    REAL(int, "ftruncate64", int, off64_t) FAIL_IF('t')
    return real(fd, size);
}
int ftruncate(int fd, off_t size) {
    REAL(int, "ftruncate", int, off_t) FAIL_IF('t')
    return real(fd, size);
}

/* How many calls have counted so far. */
long disk_calls(void) { return passed; }
