/* Preloaded into a process under test: moves its wall clock by what stands in a file, and no other clock.
 *
 * libfaketime was tried: it does not know cnd_timedwait(), with which librdkafka waits, so that each of its waits
 * became longer or shorter by as much as the clock was moved. The kernel of a machine whose clock jumps knows better.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset_s; /* shared with the test that moves the clock */

__attribute__((constructor)) static void attach(void) {
    int file = open(getenv("WALLCLOCK_FILE"), O_RDONLY);
    void *shared = mmap(NULL, sizeof *offset_s, PROT_READ, MAP_SHARED, file, 0);
    if (file < 0 || shared == MAP_FAILED) abort();
    offset_s = shared;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && offset_s && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *offset_s;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise)) return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *told) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (told) *told = precise.tv_sec;
    return precise.tv_sec;
}

/* A deadline on the moved clock, on the machine's. Seconds since the machine's start are far below a billion. */
static struct timespec unmoved(const struct timespec *deadline) {
    struct timespec own = *deadline;
    if (offset_s && own.tv_sec > 1000000000) own.tv_sec -= *offset_s;
    return own;
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict deadline) {
    static int (*wait)(cnd_t *, mtx_t *, const struct timespec *);
    struct timespec own = unmoved(deadline);
    if (!wait) *(void **)&wait = dlsym(RTLD_NEXT, "cnd_timedwait");
    return wait(condition, mutex, &own);
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict deadline) {
    static int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    struct timespec own = unmoved(deadline);
    if (!wait) *(void **)&wait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2"); /* not x86's first one */
    if (!wait) *(void **)&wait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    return wait(condition, mutex, &own);
}
