/* Writes that the system refuses: what was there stays, and nothing half is left. */
#include "harness.h"

#include <signal.h>
#include <sys/resource.h>

static void a_read_only_folder(void) {
    network one;
    pdiff_generator *generator = open_fixture("generators/flow.pdiff");
    make_network(&one, 0);
    FAILS(PDIFF_IO, "/proc/zoo", pdiff_collect("/proc/zoo", &one.snapshot, 1, NULL, &error));
    FAILS(PDIFF_IO, "/proc/out", pdiff_sample_files(generator, NULL, NULL, "/proc/out", &error));
    FAILS(PDIFF_IO, "/proc", pdiff_sample_files(generator, NULL, NULL, "/proc", &error));
    if (trains) {
        pdiff_train_options options;
        pdiff_init(&options, sizeof options);
        options.steps = 1;
        collect_networks("trained", 4);
        FAILS(PDIFF_IO, "/proc/net.pdiff",
              pdiff_train("trained", "/proc/net.pdiff", &options, NULL, &error));
    }
    pdiff_generator_close(generator);
}

/* A limit on file sizes stands for a full disk: write fails in the middle of a file. */
static void a_full_disk(void) {
    struct rlimit limit;
    network one;
    pdiff_generator *generator = open_fixture("generators/flow.pdiff");
    make_network(&one, 0);
    collect_networks("zoo", 3);
    signal(SIGXFSZ, SIG_IGN);
    EXPECT(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = 64;
    EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    FAILS(PDIFF_IO, "zoo", pdiff_collect("zoo", &one.snapshot, 1, NULL, &error));
    FAILS(PDIFF_IO, "fresh", pdiff_collect("fresh", &one.snapshot, 1, NULL, &error));
    FAILS(PDIFF_IO, "out", pdiff_sample_files(generator, NULL, NULL, "out", &error));
    EXPECT(!exists("fresh") && !exists("out"));
    limit.rlim_cur = limit.rlim_max;
    EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    OK(pdiff_collect("zoo", &one.snapshot, 1, NULL, &error));
    pdiff_generator_close(generator);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    a_read_only_folder();
    a_full_disk();
    return 0;
}
