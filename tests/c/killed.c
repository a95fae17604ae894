/* Dies by SIGKILL in the middle of a collect call, or of a training: tests/c_api.rs looks at what is
 * left. */
#define _POSIX_C_SOURCE 200112L
#include "harness.h"

#include <signal.h>

static int32_t die_halfway(void *context, const pdiff_progress *progress) {
    (void)context;
    if (progress->step * 2 >= progress->total && strcmp(progress->phase, "codec") != 0)
        raise(SIGKILL);
    return 0;
}

static void in_a_collect(void) {
    enum { COUNT = 40 };
    static network networks[COUNT];
    static pdiff_snapshot snapshots[COUNT];
    pdiff_collect_options options;
    int i;
    collect_networks("zoo", 2);
    for (i = 0; i < COUNT; i++) {
        make_network(&networks[i], i);
        snapshots[i] = networks[i].snapshot;
    }
    pdiff_init(&options, sizeof options);
    options.progress = die_halfway;
    pdiff_collect("zoo", snapshots, COUNT, &options, &error);
}

static void in_a_training(void) {
    pdiff_train_options options;
    collect_networks("trained", 40);
    pdiff_init(&options, sizeof options);
    options.steps = 200;
    options.checkpoint_seconds = 1;
    options.progress = die_halfway;
    pdiff_train("trained", "net.pdiff", &options, NULL, &error);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    if (trains)
        in_a_training();
    else
        in_a_collect();
    fprintf(stderr, "still alive: %s\n", error.message);
    return 1;
}
