/*
 * A clock on the wall that is set: preloaded into the server, it adds the seconds that STEP_FILE holds
 * (a long, read at each look) to CLOCK_REALTIME and leaves the other clocks alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile long *step;
static int (*original)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("STEP_FILE");
    int file = path ? open(path, O_RDONLY) : -1;
    void *at;
    *(void **)&original = dlsym(RTLD_NEXT, "clock_gettime");
    if (file < 0)
        return;
    at = mmap(NULL, sizeof *step, PROT_READ, MAP_SHARED, file, 0);
    if (at != MAP_FAILED)
        step = at;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = original ? original(clock, now) : (int)syscall(SYS_clock_gettime, clock, now);
    if (!result && step && clock == CLOCK_REALTIME)
        now->tv_sec += *step;
    return result;
}
