/* Dies by SIGKILL in the middle of a collect call, or of a training: tests/c_api.rs looks at what is
 * left. */
#define _POSIX_C_SOURCE 200112L
#include "harness.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

static int32_t die_halfway(void *context, const pdiff_progress *progress) {
    (void)context;
    if (progress->step * 2 >= progress->total)
        raise(SIGKILL);
    return 0;
}

/* Slow enough that a checkpoint is written before the last step. */
static int32_t die_with_a_checkpoint(void *context, const pdiff_progress *progress) {
    const struct timespec pause = {0, 10000000};
    (void)context;
    if (access("net.pdiff.checkpoint", F_OK) == 0 && progress->step > 0)
        raise(SIGKILL);
    nanosleep(&pause, NULL);
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
    options.progress = die_with_a_checkpoint;
    options.align = PDIFF_ALIGN_WEIGHTS;
    options.symmetry = "{\"permutations\": [{\"name\": \"fc\", \"size\": 2, \"places\": ["
                       "{\"tensor\": \"fc.weight\", \"axis\": 0}, {\"tensor\": \"fc.bias\", \"axis\": 0}]}]}";
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
