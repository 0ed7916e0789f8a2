/* Loaded before the C library by `torture`: every n-th write to a file takes only the first half of what it is given. That is
 * all that POSIX promises of a write; whoever writes must go on with the rest. At the end it says how often it did so. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_ulong calls, shortened;

static size_t part(int fd, size_t count) {
    struct stat about;
    const char *text = getenv("SHORT_EVERY");
    unsigned long every = text ? strtoul(text, NULL, 10) : 0;
    if (every == 0 || count < 2 || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) return count;
    if ((atomic_fetch_add(&calls, 1) + 1) % every != 0) return count;
    atomic_fetch_add(&shortened, 1);
    return count / 2;
}

ssize_t write(int fd, const void *from, size_t count) {
    static ssize_t (*next)(int, const void *, size_t);
    if (!next) next = dlsym(RTLD_NEXT, "write");
    return next(fd, from, part(fd, count));
}

ssize_t pwrite64(int fd, const void *from, size_t count, off64_t at) {
    static ssize_t (*next)(int, const void *, size_t, off64_t);
    if (!next) next = dlsym(RTLD_NEXT, "pwrite64");
    return next(fd, from, part(fd, count), at);
}

ssize_t pwrite(int fd, const void *from, size_t count, off_t at) { return pwrite64(fd, from, count, at); }

__attribute__((destructor)) static void tell(void) {
    const char *place = getenv("SHORT_TOLD");
    FILE *file = place ? fopen(place, "w") : NULL;
    if (!file) return;
    fprintf(file, "%lu\n", atomic_load(&shortened));
    fclose(file);
}
