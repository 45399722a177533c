/* Preloaded into a process: all that changes a file or folder whose path holds DISK_PATH is written
 * to the file DISK_RECORD, in the order in which it happens, with what the process has to say of it
 * (`disk_mark`).  An entry is a head, the path, and the data:
 *
 *   o opened: made, it was not there          w written, `at`     t truncated to `at`
 *   s a sync begins, the `at`-th of all       d it is done        u unlinked
 *   r renamed; the data is the new path       m a mark; no path
 */
#include "disk.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>

/* Microseconds, as on a disk: what is written meanwhile is not synced by it. */
#define SYNC_TAKES 2000

struct head { int64_t op, path, at, size; };

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static int64_t syncs;

static void append(int fd, const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (real(fd, data, size) != (ssize_t)size) abort();
}

/* Under the lock. */
static void record(char op, const char *path, int64_t at, const void *data, int64_t size) {
    static int fd = -1;
    static int (*real)(const char *, int, ...);
    if (!real) real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    if (fd < 0) fd = real(setting("DISK_RECORD"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) abort();
    struct head head = {op, strlen(path), at, size};
    append(fd, &head, sizeof head);
    append(fd, path, head.path);
    append(fd, data, size);
}

/* A call that changes a file, and its entry, with nothing in between. */
#define CHANGE(type, fd, call, op, at, data, size)             \
    char path[PATH_SIZE];                                      \
    if (!ours(fd, path)) return call;                          \
    pthread_mutex_lock(&one_at_a_time);                        \
    type result = call;                                        \
    if (result >= 0) record(op, path, at, data, size);         \
    pthread_mutex_unlock(&one_at_a_time);                      \
    return result;

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t)
    CHANGE(ssize_t, fd, real(fd, data, size, at), 'w', at, data, result)
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t)
    CHANGE(ssize_t, fd, real(fd, data, size, at), 'w', at, data, result)
}
ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t)
    CHANGE(ssize_t, fd, real(fd, data, size), 'w', lseek(fd, 0, SEEK_CUR) - result, data, result)
}
int ftruncate64(int fd, off64_t size) {
    REAL(int, "ftruncate64", int, off64_t)
    CHANGE(int, fd, real(fd, size), 't', size, "", 0)
}
int ftruncate(int fd, off_t size) {
    REAL(int, "ftruncate", int, off_t)
    CHANGE(int, fd, real(fd, size), 't', size, "", 0)
}

static void sync_entry(char op, const char *path, int64_t *number) {
    pthread_mutex_lock(&one_at_a_time);
    if (op == 's') *number = syncs++;
    record(op, path, *number, "", 0);
    pthread_mutex_unlock(&one_at_a_time);
}

#define SYNC(fd)                                               \
    char path[PATH_SIZE];                                      \
    int64_t number;                                            \
    if (!ours(fd, path)) return real(fd);                      \
    sync_entry('s', path, &number);                            \
    int result = real(fd);                                     \
    usleep(SYNC_TAKES);                                        \
    if (!result) sync_entry('d', path, &number);               \
    return result;

int fsync(int fd) {
    REAL(int, "fsync", int)
    SYNC(fd)
}
int fdatasync(int fd) {
    REAL(int, "fdatasync", int)
    SYNC(fd)
}

#define OPEN(name)                                                                   \
    REAL(int, name, const char *, int, ...)                                          \
    va_list more;                                                                    \
    va_start(more, flags);                                                           \
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;                        \
    va_end(more);                                                                    \
    if (!(flags & O_CREAT) || !is_ours(path)) return real(path, flags, mode);        \
    pthread_mutex_lock(&one_at_a_time);                                              \
    int made = access(path, F_OK), fd = real(path, flags, mode);                     \
    if (made && fd >= 0) record('o', path, 0, "", 0);                                \
    pthread_mutex_unlock(&one_at_a_time);                                            \
    return fd;

int open(const char *path, int flags, ...) { OPEN("open") }
int open64(const char *path, int flags, ...) { OPEN("open64") }

int unlink(const char *path) {
    REAL(int, "unlink", const char *)
    if (!is_ours(path)) return real(path);
    pthread_mutex_lock(&one_at_a_time);
    int result = real(path);
    if (!result) record('u', path, 0, "", 0);
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}
int rename(const char *path, const char *to) {
    REAL(int, "rename", const char *, const char *)
    if (!is_ours(path)) return real(path, to);
    pthread_mutex_lock(&one_at_a_time);
    int result = real(path, to);
    if (!result) record('r', path, 0, to, strlen(to));
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}

/* Note what the process knows at this moment. */
void disk_mark(const char *text) {
    pthread_mutex_lock(&one_at_a_time);
    record('m', "", 0, text, strlen(text));
    pthread_mutex_unlock(&one_at_a_time);
}
