/* What the preloaded disks have in common: settings come from the environment, as they are at each
 * call; only files whose path holds DISK_PATH count. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define PATH_SIZE 4096

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

static int is_ours(const char *path) {
    const char *part = setting("DISK_PATH");
    return *part && strstr(path, part) != NULL;
}

/* The path of an open file that is ours, or 0. */
static int ours(int fd, char *path) {
    char link[64];
    if (!*setting("DISK_PATH")) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_SIZE - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_ours(path);
}

#define REAL(type, name, ...)             \
    static type (*real)(__VA_ARGS__);     \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name);
