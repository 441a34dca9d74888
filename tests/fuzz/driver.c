/*
 * Brings inputs to a libFuzzer target where libFuzzer is not: reads a corpus, mutates by a seed, keeps what reaches new code. Any compiler with
 * `-fsanitize-coverage=trace-pc` will do (gcc has it); compiled without, the driver only replays.
 *
 * driver --inputs N --seconds S --seed X [--keep FOLDER] FILE...   mutate; the first limit ends it
 * driver FILE...                                                    replay
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST = 4096, KEPT = 20000, EDGES = 1 << 16, HANG_S = 20 };

typedef struct {
    uint8_t *data;
    size_t size;
} input;

static input corpus[KEPT];
static size_t corpus_count;
static uint8_t now_running[LONGEST];
static size_t now_size;

/* ------------------------------------------------------------------------------------------------------------ coverage */

static uint8_t hits[EDGES];  /* by this input */
static uint8_t known[EDGES]; /* classes of hit counts seen so far, one bit each */
static uintptr_t before;

void __sanitizer_cov_trace_pc(void);
__attribute__((no_sanitize("address", "undefined"))) void __sanitizer_cov_trace_pc(void) {
    uintptr_t here = (uintptr_t)__builtin_return_address(0);
    uint32_t at = (uint32_t)((here ^ before << 5) * 0x9e3779b1u) >> 16;
    if (hits[at] < 255) hits[at]++;
    before = here;
}

static int is_news(void) {
    static const uint8_t classes[] = {0, 1, 2, 4};
    int news = 0;
    for (uint32_t i = 0; i < EDGES; i++) {
        uint64_t eight;
        if (!(i & 7) && (memcpy(&eight, hits + i, 8), !eight)) {
            i += 7;
            continue;
        }
        uint8_t n = hits[i];
        if (!n) continue;
        uint8_t class = n < 4 ? classes[n] : n < 8 ? 8 : n < 32 ? 16 : n < 128 ? 32 : 64;
        news |= class & ~known[i];
        known[i] |= class;
    }
    return news != 0;
}

/* ------------------------------------------------------------------------------------------------------------ failures */

static void write_file(const char *name, const uint8_t *data, size_t size) {
    FILE *file = fopen(name, "wb");
    if (!file) return;
    fwrite(data, 1, size, file);
    fclose(file);
}

static void keep_failure(void) {
    char name[64];
    snprintf(name, sizeof name, "fuzz-failure-%d.bin", (int)getpid());
    write_file(name, now_running, now_size);
    fprintf(stderr, "the input is in %s\n", name);
}

static void on_signal(int number) {
    fprintf(stderr, number == SIGALRM ? "an input took longer than %d s\n" : "signal %d\n", number == SIGALRM ? HANG_S : number);
    keep_failure();
    _exit(1);
}

void __sanitizer_set_death_callback(void (*)(void)) __attribute__((weak));

/* ------------------------------------------------------------------------------------------------------------ mutation */

static uint64_t state;
static uint32_t chance(uint32_t below) { /* xorshift64* */
    state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
    return (uint32_t)((state * 0x2545f4914f6cdd1du) >> 33) % below;
}

static size_t mutate(uint8_t *octets, size_t size) {
    for (uint32_t changes = 1 + chance(8); changes--;) {
        size_t at = size ? chance((uint32_t)size) : 0;
        const input *other = &corpus[chance((uint32_t)corpus_count)];
        switch (chance(8)) {
        case 0: if (size) octets[at] ^= (uint8_t)(1 << chance(8)); break;
        case 1: if (size) octets[at] = (uint8_t)chance(256); break;
        case 2: if (size) octets[at] = (uint8_t)(octets[at] + chance(9) - 4); break;
        case 3: { /* a random operation more */
            size_t more = 1 + chance(12);
            if (size + more > LONGEST) break;
            memmove(octets + at + more, octets + at, size - at);
            for (size_t i = 0; i < more; i++) octets[at + i] = (uint8_t)chance(256);
            size += more;
            break;
        }
        case 4: { /* less */
            size_t less = 1 + chance(16);
            if (size < at + less + 4) break;
            memmove(octets + at, octets + at + less, size - at - less);
            size -= less;
            break;
        }
        case 5: { /* a part of another */
            if (!other->size) break;
            size_t from = chance((uint32_t)other->size), length = 1 + chance(256);
            if (length > other->size - from) length = other->size - from;
            if (size + length > LONGEST) break;
            memmove(octets + at + length, octets + at, size - at);
            memcpy(octets + at, other->data + from, length);
            size += length;
            break;
        }
        case 6: { /* the same again */
            size_t length = 1 + chance(64), times = 1 + chance(8);
            if (length > size - at) length = size - at;
            if (!length || size + length * times > LONGEST) break;
            memmove(octets + at + length * times, octets + at, size - at);
            for (size_t i = 0; i < times; i++) memmove(octets + at + i * length, octets + at + times * length, length);
            size += length * times;
            break;
        }
        default: { /* overwritten by another */
            if (!other->size) break;
            size_t from = chance((uint32_t)other->size), length = 1 + chance(64);
            if (length > other->size - from) length = other->size - from;
            if (length > size - at) length = size - at;
            memcpy(octets + at, other->data + from, length);
        }
        }
    }
    return size;
}

static void run(const uint8_t *data, size_t size) {
    memcpy(now_running, data, size);
    now_size = size;
    before = 0;
    alarm(HANG_S);
    LLVMFuzzerTestOneInput(data, size);
}

static void keep(const uint8_t *data, size_t size, const char *folder) {
    if (corpus_count == KEPT) return;
    corpus[corpus_count] = (input){malloc(size ? size : 1), size};
    memcpy(corpus[corpus_count].data, data, size);
    if (folder) {
        char name[512];
        snprintf(name, sizeof name, "%s/%05zu.bin", folder, corpus_count);
        write_file(name, data, size);
    }
    corpus_count++;
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int count, char **arguments) {
    long limit = 0, runs = 0, at = 1;
    double most = 1e9, start = seconds();
    const char *folder = NULL;
    static uint8_t octets[LONGEST];
    state = 1;
    for (; at + 1 < count && arguments[at][0] == '-'; at += 2) {
        const char *value = arguments[at + 1];
        if (!strcmp(arguments[at], "--inputs")) limit = atol(value);
        else if (!strcmp(arguments[at], "--seconds")) most = atof(value);
        else if (!strcmp(arguments[at], "--seed")) state = strtoull(value, NULL, 10) * 2 + 1;
        else if (!strcmp(arguments[at], "--keep")) folder = value;
        else return fprintf(stderr, "unknown option %s\n", arguments[at]), 2;
    }
    if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(keep_failure);
    signal(SIGABRT, on_signal), signal(SIGALRM, on_signal);
    for (; at < count; at++, runs++) {
        FILE *file = fopen(arguments[at], "rb");
        if (!file) return fprintf(stderr, "%s: %s\n", arguments[at], strerror(errno)), 2;
        size_t size = fread(octets, 1, sizeof octets, file);
        fclose(file);
        run(octets, size);
        keep(octets, size, folder);
    }
    is_news();
    if (!corpus_count) keep((const uint8_t *)"\0\0", 2, folder);
    size_t seeds = corpus_count;
    while (runs < limit && seconds() - start < most) {
        /* Every other time one of the newest: they are the least explored. */
        uint32_t newest = corpus_count > 64 ? 64 : (uint32_t)corpus_count;
        const input *from = &corpus[chance(2) ? chance((uint32_t)corpus_count) : (uint32_t)corpus_count - 1 - chance(newest)];
        memcpy(octets, from->data, from->size);
        size_t size = mutate(octets, from->size);
        memset(hits, 0, sizeof hits);
        run(octets, size);
        runs++;
        if (is_news()) keep(octets, size, folder);
    }
    printf("%ld inputs in %.1f s, %zu of them kept for new paths beside %zu seeds\n", runs, seconds() - start, corpus_count - seeds, seeds);
    return 0;
}
