/* What a host that only samples pays, as one line of JSON: the milliseconds from opening a generator to
 * its being ready, those of the first and of a later network on one thread, and the resident memory.
 * Usage: first GENERATOR [RUNS]. */
#include <pdiff.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 101 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static long resident_kilobytes(void) {
    char line[256];
    long found = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            found = atol(line + 6);
    if (status != NULL)
        fclose(status);
    return found;
}

static int rising(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

int main(int argc, char **argv) {
    pdiff_error error;
    pdiff_generator *generator = NULL;
    pdiff_sample_options options;
    uint64_t parameters = 0;
    size_t bytes = 0;
    double started, opened, times[MOST], first;
    float *network;
    int i, runs = argc == 3 ? atoi(argv[2]) : MOST;
    pdiff_init(&error, sizeof error);
    pdiff_init(&options, sizeof options);
    options.threads = 1;
    if (argc < 2 || argc > 3 || runs < 1 || runs > MOST)
        return fprintf(stderr, "usage: first GENERATOR [RUNS, %d at most]\n", MOST), 2;
    started = now();
    if (pdiff_generator_open(argv[1], &generator, &error) != PDIFF_OK)
        return fprintf(stderr, "%s\n", error.message), 1;
    opened = now();
    pdiff_generator_parameters(generator, &parameters, &error);
    bytes = (size_t)parameters * sizeof *network;
    network = malloc(bytes);
    for (i = 0; network != NULL && i < runs; i++) {
        double begin = now();
        options.first = (uint64_t)i;
        if (pdiff_sample(generator, &options, NULL, network, bytes, NULL, &error) != PDIFF_OK)
            return fprintf(stderr, "%s\n", error.message), 1;
        times[i] = now() - begin;
    }
    first = times[0];
    qsort(times, (size_t)runs, sizeof *times, rising);
    printf("{\"parameters\": %llu, \"open_ms\": %.3f, \"first_ms\": %.3f, \"median_ms\": %.3f, "
           "\"resident_kb\": %ld}\n",
           (unsigned long long)parameters, opened - started, first, times[runs / 2],
           resident_kilobytes());
    free(network);
    pdiff_generator_close(generator);
    return 0;
}
