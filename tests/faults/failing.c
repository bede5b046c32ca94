/*
 * A disk that fails on order: preloaded into the server (LD_PRELOAD), it stands between the program
 * and libc's calls on files. It is no file system: what a program does by the kernel's calls alone
 * passes it by.
 *
 *   FAILING_UNDER   only files whose path begins with this are touched
 *   FAILING_RULES   a file with the rules, read again at each call, so that it may change meanwhile
 *   FAILING_LOG     a file that gets a line for each failure
 *
 * A rule is a line of four to six words. OP is open, write, sync, rename, truncate, unlink or any;
 * MARK is a part of the path, or * for every path.
 *
 *   OP MARK fail NTH ERRNO TIMES    from the NTH such call on, so many fail; 0 TIMES is for ever
 *   OP MARK delay MILLISECONDS      each such call waits first
 *   OP MARK budget BYTES            once so many bytes were written there, ENOSPC
 *   OP MARK count                   nothing fails; the log gets a line for each call
 *
 * New rules begin to count from nothing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define RULES 32
#define BYTES 8192

enum action { FAIL, DELAY, BUDGET, COUNT };

struct rule {
    char op[16];
    char mark[256];
    enum action action;
    long first, number, times;
    long seen;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char known[BYTES];
static struct rule rules[RULES];
static int count;

static void parse(void) {
    char text[BYTES], *line, *rest = NULL;
    memcpy(text, known, sizeof text);
    count = 0;
    for (line = strtok_r(text, "\n", &rest); line && count < RULES; line = strtok_r(NULL, "\n", &rest)) {
        struct rule *rule = &rules[count];
        char action[16] = "";
        memset(rule, 0, sizeof *rule);
        if (sscanf(line, "%15s %255s %15s %ld %ld %ld", rule->op, rule->mark, action, &rule->first,
                   &rule->number, &rule->times) < 3)
            continue;
        if (!strcmp(action, "fail"))
            rule->action = FAIL;
        else if (!strcmp(action, "delay"))
            rule->action = DELAY;
        else if (!strcmp(action, "budget"))
            rule->action = BUDGET;
        else if (!strcmp(action, "count"))
            rule->action = COUNT;
        else
            continue;
        count++;
    }
}

/* The rules as they are now. Plain system calls, so that it never meets itself. */
static void refresh(void) {
    char text[BYTES];
    const char *path = getenv("FAILING_RULES");
    long file, length;
    if (!path)
        return;
    file = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (file < 0)
        return;
    memset(text, 0, sizeof text);
    length = syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
    if (length >= 0 && memcmp(text, known, sizeof text) != 0) {
        memcpy(known, text, sizeof known);
        parse();
    }
}

static void note(const char *op, const char *path, long seen, const char *what) {
    char line[PATH_MAX + 64];
    const char *log = getenv("FAILING_LOG");
    long file;
    int length;
    if (!log)
        return;
    length = snprintf(line, sizeof line, "%s %ld %s %s\n", op, seen, what, path);
    if (length < 0)
        return;
    if ((size_t)length > sizeof line - 1)
        length = sizeof line - 1;
    file = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return;
    syscall(SYS_write, file, line, (size_t)length);
    syscall(SYS_close, file);
}

static int begins_under(const char *path) {
    const char *under = getenv("FAILING_UNDER");
    return under && strncmp(path, under, strlen(under)) == 0;
}

/*
 * What becomes of a call: 0 lets it through, else an errno. `bytes` is what it would write; for a
 * budget that does not reach, `*bytes` is cut to what is left.
 */
static int judge(const char *op, const char *path, size_t *bytes) {
    long wait = 0;
    int error = 0, at;
    if (!begins_under(path))
        return 0;
    pthread_mutex_lock(&lock);
    refresh();
    for (at = 0; at < count && !error; at++) {
        struct rule *rule = &rules[at];
        if (strcmp(rule->op, "any") && strcmp(rule->op, op))
            continue;
        if (strcmp(rule->mark, "*") && !strstr(path, rule->mark))
            continue;
        switch (rule->action) {
        case FAIL:
            rule->seen++;
            if (rule->seen >= rule->first && (!rule->times || rule->seen < rule->first + rule->times)) {
                error = (int)rule->number;
                note(op, path, rule->seen, "failed");
            }
            break;
        case DELAY:
            wait = rule->first;
            break;
        case BUDGET:
            if (rule->seen >= rule->first && (*bytes || !strcmp(op, "open"))) {
                error = ENOSPC;
                note(op, path, rule->seen, "full");
            } else if (*bytes) {
                if ((long)*bytes > rule->first - rule->seen)
                    *bytes = (size_t)(rule->first - rule->seen);
                rule->seen += (long)*bytes;
            }
            break;
        case COUNT:
            rule->seen++;
            note(op, path, rule->seen, "passed");
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    if (wait > 0) {
        struct timespec left = {wait / 1000, (wait % 1000) * 1000000L};
        while (nanosleep(&left, &left) != 0 && errno == EINTR)
            ;
    }
    return error;
}

/* The path behind a descriptor; sockets and the like begin with no slash. */
static int path_of(int file, char path[PATH_MAX]) {
    char link[64];
    ssize_t length;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0 || path[0] != '/')
        return 0;
    path[length] = 0;
    return 1;
}

static int judge_file(const char *op, int file, size_t *bytes) {
    char path[PATH_MAX];
    return path_of(file, path) ? judge(op, path, bytes) : 0;
}

/* A name as it was given, made whole. */
static int judge_name(const char *op, int folder, const char *name) {
    char path[2 * PATH_MAX], base[PATH_MAX];
    size_t none = 0;
    if (name[0] == '/')
        return judge(op, name, &none);
    if (folder == AT_FDCWD ? !getcwd(base, sizeof base) : !path_of(folder, base))
        return 0;
    snprintf(path, sizeof path, "%s/%s", base, name);
    return judge(op, path, &none);
}

#define REAL(name, type)                                                                               \
    static __typeof__((type)0) real;                                                                   \
    if (!real)                                                                                         \
        real = (type)dlsym(RTLD_NEXT, name)

#define REFUSE(error)                                                                                  \
    do {                                                                                               \
        int why = (error);                                                                             \
        if (why) {                                                                                     \
            errno = why;                                                                               \
            return -1;                                                                                 \
        }                                                                                              \
    } while (0)

#define MODE(flags, mode)                                                                              \
    do {                                                                                               \
        if ((flags) & (O_CREAT | O_TMPFILE)) {                                                         \
            va_list rest;                                                                              \
            va_start(rest, flags);                                                                     \
            mode = va_arg(rest, mode_t);                                                               \
            va_end(rest);                                                                              \
        }                                                                                              \
    } while (0)

#define OPEN(name)                                                                                     \
    int name(const char *path, int flags, ...) {                                                       \
        mode_t mode = 0;                                                                               \
        REAL(#name, int (*)(const char *, int, ...));                                                  \
        MODE(flags, mode);                                                                             \
        if (flags & (O_CREAT | O_WRONLY | O_RDWR))                                                     \
            REFUSE(judge_name("open", AT_FDCWD, path));                                                \
        return real(path, flags, mode);                                                                \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                   \
    int name(int folder, const char *path, int flags, ...) {                                           \
        mode_t mode = 0;                                                                               \
        REAL(#name, int (*)(int, const char *, int, ...));                                             \
        MODE(flags, mode);                                                                             \
        if (flags & (O_CREAT | O_WRONLY | O_RDWR))                                                     \
            REFUSE(judge_name("open", folder, path));                                                  \
        return real(folder, path, flags, mode);                                                        \
    }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int file, const void *data, size_t length) {
    REAL("write", ssize_t(*)(int, const void *, size_t));
    REFUSE(judge_file("write", file, &length));
    return real(file, data, length);
}

#define PWRITE(name, offset_type)                                                                      \
    ssize_t name(int file, const void *data, size_t length, offset_type at) {                          \
        REAL(#name, ssize_t(*)(int, const void *, size_t, offset_type));                               \
        REFUSE(judge_file("write", file, &length));                                                    \
        return real(file, data, length, at);                                                           \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

/* Of several pieces, a budget that ends among them takes the first whole ones. */
ssize_t writev(int file, const struct iovec *pieces, int number) {
    size_t length = 0, left;
    int at, whole = 0;
    REAL("writev", ssize_t(*)(int, const struct iovec *, int));
    for (at = 0; at < number; at++)
        length += pieces[at].iov_len;
    left = length;
    REFUSE(judge_file("write", file, &left));
    if (left < length) {
        while (whole < number && pieces[whole].iov_len <= left)
            left -= pieces[whole++].iov_len;
        if (!whole)
            REFUSE(ENOSPC);
        number = whole;
    }
    return real(file, pieces, number);
}

#define SYNC(name)                                                                                     \
    int name(int file) {                                                                               \
        size_t none = 0;                                                                               \
        REAL(#name, int (*)(int));                                                                     \
        REFUSE(judge_file("sync", file, &none));                                                       \
        return real(file);                                                                             \
    }
SYNC(fsync)
SYNC(fdatasync)

#define TRUNCATE(name, offset_type)                                                                    \
    int name(int file, offset_type length) {                                                           \
        size_t none = 0;                                                                               \
        REAL(#name, int (*)(int, offset_type));                                                        \
        REFUSE(judge_file("truncate", file, &none));                                                   \
        return real(file, length);                                                                     \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define ALLOCATE(name, offset_type)                                                                    \
    int name(int file, offset_type at, offset_type length) {                                           \
        size_t bytes = (size_t)length;                                                                 \
        int error;                                                                                     \
        REAL(#name, int (*)(int, offset_type, offset_type));                                           \
        error = judge_file("write", file, &bytes);                                                     \
        if (!error && bytes < (size_t)length)                                                          \
            error = ENOSPC;                                                                            \
        return error ? error : real(file, at, length);                                                 \
    }
ALLOCATE(posix_fallocate, off_t)
ALLOCATE(posix_fallocate64, off64_t)

int rename(const char *from, const char *to) {
    REAL("rename", int (*)(const char *, const char *));
    REFUSE(judge_name("rename", AT_FDCWD, to));
    return real(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    REAL("renameat", int (*)(int, const char *, int, const char *));
    REFUSE(judge_name("rename", to_folder, to));
    return real(from_folder, from, to_folder, to);
}

int unlink(const char *path) {
    REAL("unlink", int (*)(const char *));
    REFUSE(judge_name("unlink", AT_FDCWD, path));
    return real(path);
}

int unlinkat(int folder, const char *path, int flags) {
    REAL("unlinkat", int (*)(int, const char *, int));
    REFUSE(judge_name("unlink", folder, path));
    return real(folder, path, flags);
}
