/* A wall clock that is off, for one process of an installation: preloaded, it adds to what libc says the nanoseconds in
   the file of the process's role under $BENCH_CLOCKS. Whoever writes there moves the clock under way. Monotonic clocks
   stay as they are, as those of a machine do when its wall clock is set. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

static volatile int64_t *offset_ns;
static int (*libc_clock_gettime)(clockid_t, struct timespec *);

static const char *const ROLES[][2] = {
    {"app slamonitor beat", "beat"},
    {"--hostname engine", "engine"},
    {"--hostname probe", "probe"},
};

static void choose_role(void) {
    char line[4096], path[4096];
    const char *folder = getenv("BENCH_CLOCKS");
    int file = open("/proc/self/cmdline", O_RDONLY);
    ssize_t length = file < 0 ? 0 : read(file, line, sizeof line - 1);
    if (file >= 0)
        close(file);
    if (folder == NULL || length <= 0)
        return;
    for (ssize_t at = 0; at < length; at++)
        if (line[at] == 0)
            line[at] = ' ';
    line[length] = 0;
    for (size_t role = 0; role < sizeof ROLES / sizeof *ROLES; role++) {
        if (strstr(line, ROLES[role][0]) == NULL)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, ROLES[role][1]);
        file = open(path, O_RDONLY);
        if (file < 0)
            return;
        void *page = mmap(NULL, sizeof *offset_ns, PROT_READ, MAP_SHARED, file, 0);
        close(file);
        if (page != MAP_FAILED)
            offset_ns = page;
        return;
    }
}

__attribute__((constructor)) static void begin(void) {
    libc_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    choose_role();
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    if (libc_clock_gettime == NULL)
        begin();
    int result = libc_clock_gettime(clock, at);
    if (result == 0 && offset_ns != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = at->tv_nsec + *offset_ns % SECOND;
        at->tv_sec += *offset_ns / SECOND + (ns >= SECOND) - (ns < 0);
        at->tv_nsec = (ns + SECOND) % SECOND;
    }
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
        return -1;
    at->tv_sec = precise.tv_sec;
    at->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (at != NULL)
        *at = precise.tv_sec;
    return precise.tv_sec;
}
