/* Training: the whole way where this build trains, a clear status where it does not. */
#include "harness.h"
#include <math.h>

typedef struct seen {
    int calls;
    int end_at;
    pdiff_cancel *cancel;
    const char *phase; /* where the token is set; NULL: anywhere */
} seen;

static int32_t watch(void *context, const pdiff_progress *progress) {
    seen *seen = context;
    EXPECT(progress->phase != NULL && progress->step <= progress->total);
    seen->calls++;
    if (seen->cancel != NULL && (seen->phase == NULL || strcmp(seen->phase, progress->phase) == 0))
        pdiff_cancel_set(seen->cancel, NULL);
    return seen->calls == seen->end_at ? -3 : 0;
}

static void without_libtorch(const pdiff_train_options *options) {
    FAILS(PDIFF_UNSUPPORTED, "torch", pdiff_train("zoo", "net.pdiff", options, NULL, &error));
    EXPECT(!exists("net.pdiff"));
}

/* A network of a generator that keeps its matrices so. */
static void sampled(pdiff_train_options options, int32_t precision, float network[8]) {
    pdiff_generator *generator = NULL;
    options.precision = precision;
    OK(pdiff_train("zoo", "precision.pdiff", &options, NULL, &error));
    OK(pdiff_generator_open("precision.pdiff", &generator, &error));
    OK(pdiff_sample(generator, NULL, NULL, network, 8 * sizeof *network, NULL, &error));
    pdiff_generator_close(generator);
}

static void half_the_precision_is_as_good(const pdiff_train_options *options) {
    float full[8], half[8];
    int i;
    sampled(*options, PDIFF_DTYPE_F32, full);
    sampled(*options, PDIFF_DTYPE_F16, half);
    EXPECT(memcmp(full, half, sizeof full) != 0);
    for (i = 0; i < 8; i++)
        EXPECT(fabsf(full[i] - half[i]) < 5e-4f);
}

static int is_good(const char *path, const char *about) {
    pdiff_generator *generator = NULL;
    const char *text;
    int32_t good = -1;
    OK(pdiff_generator_open(path, &generator, &error));
    OK(pdiff_generator_is_good(generator, &good, &error));
    OK(pdiff_generator_about(generator, &text, &error));
    EXPECT(strstr(text, about) != NULL);
    pdiff_generator_close(generator);
    return good;
}

/* Asked for a speed, a generator of one network per speed gives that network back. */
static void a_copying_generator_is_not_good(pdiff_train_options options) {
    static const char *speed_name = "speed";
    pdiff_collect_options collected;
    int i, j;
    pdiff_init(&collected, sizeof collected);
    collected.conditions = &speed_name;
    collected.condition_count = 1;
    for (i = 0; i < 40; i++) {
        /* Held-out ones, every tenth, lie between. */
        const float speed = i % 10 == 5 ? 2.0f * (float)(i / 10) + 0.5f : (float)(i % 8);
        network one;
        make_network(&one, 0);
        for (j = 0; j < 8; j++)
            *(j < 6 ? &one.weight[j] : &one.bias[j - 6]) +=
                speed * sinf((float)j) + 0.05f * speed * speed * cosf(3.0f * (float)j);
        one.snapshot.condition = &speed;
        one.snapshot.condition_length = 1;
        OK(pdiff_collect("speeds", &one.snapshot, 1, &collected, &error));
    }
    options.steps = 0;
    OK(pdiff_train("speeds", "copies.pdiff", &options, NULL, &error));
    EXPECT(is_good("copies.pdiff", "near copies of training snapshots") == 0);
    EXPECT(is_good("net.pdiff", "samples vary as much as the snapshots") == 1);
}

/* Each phase ends where it is told to, and what it leaves resumes to the end. */
static void every_phase_is_cancelled(pdiff_train_options options) {
    static const char *phases[] = {"codec", "denoiser", "gates", "autoencoder", "denoiser"};
    size_t i;
    for (i = 0; i < 5; i++) {
        seen seen = {0, 0, NULL, phases[i]};
        options.engine = i < 3 ? PDIFF_ENGINE_DEFAULT : PDIFF_ENGINE_PAPER;
        options.autoencoder_steps = i < 3 ? 0 : 2;
        options.steps = 2;
        options.progress = watch;
        options.progress_context = &seen;
        OK(pdiff_cancel_new(&seen.cancel, &error));
        FAILS(PDIFF_CANCELLED, "cancelled",
              pdiff_train("many", "phase.pdiff", &options, seen.cancel, &error));
        EXPECT(!exists("phase.pdiff") && seen.calls > 0);
        pdiff_cancel_free(seen.cancel);
    }
}

static void with_libtorch(pdiff_train_options *options) {
    seen seen = {0, 1, NULL, NULL};
    pdiff_generator *generator = NULL;
    options->progress = watch;
    options->progress_context = &seen;
    FAILS(PDIFF_CALLBACK, "-3", pdiff_train("zoo", "net.pdiff", options, NULL, &error));
    seen.end_at = 0;
    OK(pdiff_cancel_new(&seen.cancel, &error));
    FAILS(PDIFF_CANCELLED, "", pdiff_train("zoo", "net.pdiff", options, seen.cancel, &error));
    EXPECT(!exists("net.pdiff"));
    pdiff_cancel_free(seen.cancel);
    seen.cancel = NULL;
    OK(pdiff_train("zoo", "net.pdiff", options, NULL, &error));
    EXPECT(seen.calls > 1);
    OK(pdiff_generator_open("net.pdiff", &generator, &error));
    pdiff_generator_close(generator);
    half_the_precision_is_as_good(options);
    collect_networks("many", 40); /* enough for a flow */
    every_phase_is_cancelled(*options);
    a_copying_generator_is_not_good(*options);

    /* What cannot be written is found before the work. */
    seen.calls = 0;
    FAILS(PDIFF_IO, "nowhere/net.pdiff",
          pdiff_train("zoo", "nowhere/net.pdiff", options, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "zoo: a folder; name a file",
          pdiff_train("zoo", "zoo", options, NULL, &error));
    EXPECT(seen.calls == 0);

    collect_networks("one", 1);
    FAILS(PDIFF_TOO_FEW_SNAPSHOTS, "one: holds 1 of the 2 snapshots",
          pdiff_train("one", "one.pdiff", options, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "absent",
          pdiff_train("absent", "absent.pdiff", options, NULL, &error));
    options->device = PDIFF_DEVICE_CUDA;
    options->device_index = 99;
    FAILS(PDIFF_DEVICE_UNAVAILABLE, "99",
          pdiff_train("zoo", "cuda.pdiff", options, NULL, &error));
}

int main(int argc, char **argv) {
    pdiff_train_options options;
    begin(argc, argv);
    collect_networks("zoo", 30);
    pdiff_init(&options, sizeof options);
    options.steps = 20;
    FAILS(PDIFF_INVALID_ARGUMENT, "collection is NULL",
          pdiff_train(NULL, "net.pdiff", &options, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "generator is NULL",
          pdiff_train("zoo", NULL, &options, NULL, &error));
    options.engine = 7;
    FAILS(PDIFF_INVALID_ARGUMENT, "engine 7",
          pdiff_train("zoo", "net.pdiff", &options, NULL, &error));
    options.engine = PDIFF_ENGINE_DEFAULT;
    options.device = 7;
    FAILS(PDIFF_INVALID_ARGUMENT, "device 7",
          pdiff_train("zoo", "net.pdiff", &options, NULL, &error));
    options.device = PDIFF_DEVICE_CPU;
    options.precision = PDIFF_DTYPE_I8;
    FAILS(PDIFF_INVALID_ARGUMENT, "precision 8 is none of",
          pdiff_train("zoo", "net.pdiff", &options, NULL, &error));
    options.precision = 0;
    options.struct_size = 3;
    FAILS(PDIFF_INVALID_ARGUMENT, "pdiff_train_options.struct_size is 3",
          pdiff_train("zoo", "net.pdiff", &options, NULL, &error));
    options.struct_size = sizeof options;
    if (trains)
        with_libtorch(&options);
    else
        without_libtorch(&options);
    return 0;
}
