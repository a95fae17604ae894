/* Polishing samples: by a probe and by a callback, the same networks every way, and what is refused. */
#include "dlpack.h"
#include "probe.h"

enum { COUNT = 5, STEPS = 9 };

static void polished_networks_are_better_and_the_same_every_way(const pdiff_generator *generator) {
    float plain[COUNT][PARAMETERS], whole[COUNT][PARAMETERS], part[COUNT][PARAMETERS];
    float weight[COUNT][6], bias[COUNT][2];
    pdiff_buffer buffers[2];
    DLManagedTensor *tensors[2];
    pdiff_sample_options options;
    pdiff_probe probe;
    size_t i;
    make_probe(&probe);
    pdiff_init(&options, sizeof options);
    options.count = COUNT;
    options.seed = 3;
    OK(pdiff_sample(generator, &options, NULL, plain, sizeof plain, NULL, &error));
    options.probe = &probe; /* which alone changes nothing */
    OK(pdiff_sample(generator, &options, NULL, whole, sizeof whole, NULL, &error));
    EXPECT(memcmp(plain, whole, sizeof plain) == 0);
    options.polish_steps = STEPS;
    options.polish_batch = 4;
    options.polish_rate = 0.1;
    OK(pdiff_sample(generator, &options, NULL, whole, sizeof whole, NULL, &error));
    for (i = 0; i < COUNT; i++)
        EXPECT(loss_of(whole[i]) < loss_of(plain[i]) - 0.05);
    for (options.threads = 1; options.threads < 4; options.threads++) {
        OK(pdiff_sample(generator, &options, NULL, part, sizeof part, NULL, &error));
        EXPECT(memcmp(part, whole, sizeof whole) == 0);
    }
    options.count = 1;
    for (options.first = 0; options.first < COUNT; options.first++) {
        OK(pdiff_sample(generator, &options, NULL, part, sizeof part[0], NULL, &error));
        EXPECT(memcmp(part, whole[options.first], sizeof part[0]) == 0);
    }
    options.count = COUNT;
    options.first = 0;
    buffers[0].data = weight, buffers[0].bytes = sizeof weight;
    buffers[1].data = bias, buffers[1].bytes = sizeof bias;
    OK(pdiff_sample_tensors(generator, &options, NULL, buffers, 2, &error));
    OK(pdiff_sample_dlpack(generator, &options, NULL, tensors, 2, &error));
    for (i = 0; i < COUNT; i++) {
        EXPECT(memcmp(weight[i], whole[i], sizeof weight[i]) == 0);
        EXPECT(memcmp(bias[i], whole[i] + 6, sizeof bias[i]) == 0);
        EXPECT(memcmp((float *)tensors[0]->dl_tensor.data + 6 * i, whole[i], sizeof weight[i]) == 0);
    }
    for (i = 0; i < 2; i++)
        tensors[i]->deleter(tensors[i]);
    OK(pdiff_sample_files(generator, &options, NULL, "polished", &error));
    {
        size_t length;
        unsigned char *file = read_file("polished/network-000004.safetensors", &length);
        EXPECT(memcmp(file + length - sizeof bias[4], bias[4], sizeof bias[4]) == 0);
        free(file);
    }
}

/* What the gradient callback is told to do, and what it saw. */
typedef struct host {
    uint64_t calls;
    uint64_t fails_at, not_finite, loss_not_finite, cancels_at; /* a call, from 1; 0: none */
    pdiff_cancel *cancel;
} host;

/* Half of it, and its gradient. */
static int32_t to_one(void *context, uint64_t number, uint64_t step, const float *network, uint64_t parameters,
                      double *loss, float *gradient) {
    host *mine = context;
    size_t i;
    EXPECT(parameters == PARAMETERS);
    EXPECT(number == 2 + mine->calls / STEPS && step == mine->calls % STEPS);
    mine->calls++;
    if (mine->calls == mine->fails_at)
        return 7;
    if (mine->calls == mine->cancels_at)
        OK(pdiff_cancel_set(mine->cancel, &error));
    *loss = 0.5 * from_one(network);
    for (i = 0; i < PARAMETERS; i++) {
        EXPECT(gradient[i] == 0.0f);
        gradient[i] = network[i] - 1.0f;
    }
    if (mine->calls == mine->not_finite)
        gradient[5] = (float)NAN;
    if (mine->calls == mine->loss_not_finite)
        *loss = INFINITY;
    return 0;
}

/* No network is shown before all of its company is polished. */
static int32_t never(void *context, uint64_t number, const float *network, uint64_t parameters) {
    (void)context, (void)number, (void)network, (void)parameters;
    EXPECT(!"shown");
    return 0;
}

static void a_callback_says_what_to_polish_by(const pdiff_generator *generator) {
    float plain[2][PARAMETERS], polished[2][PARAMETERS], kept[2][PARAMETERS];
    pdiff_sample_options options;
    host mine = {0, 0, 0, 0, 0, NULL};
    size_t i;
    pdiff_init(&options, sizeof options);
    options.count = 2;
    options.first = 2;
    OK(pdiff_sample(generator, &options, NULL, plain, sizeof plain, NULL, &error));
    options.polish_steps = STEPS;
    options.polish_rate = 0.2;
    options.gradient = to_one;
    options.gradient_context = &mine;
    OK(pdiff_sample(generator, &options, NULL, polished, sizeof polished, NULL, &error));
    EXPECT(mine.calls == 2 * STEPS);
    for (i = 0; i < 2; i++)
        EXPECT(from_one(polished[i]) < 0.7 * from_one(plain[i]));

    /* Whatever goes wrong, what was there stays there. */
    memset(kept, 7, sizeof kept);
    memcpy(plain, kept, sizeof kept);
#define ENDS(status, text, field)                                                                 \
    do {                                                                                          \
        host bad = {0, 0, 0, 0, 0, NULL};                                                         \
        bad.field = STEPS + 3;                                                                    \
        options.gradient_context = &bad;                                                          \
        OK(pdiff_cancel_new(&bad.cancel, &error));                                                \
        FAILS(status, text,                                                                       \
              pdiff_sample(generator, &options, bad.cancel, kept, sizeof kept, NULL, &error));    \
        EXPECT(bad.calls == STEPS + 3);                                                           \
        EXPECT(memcmp(kept, plain, sizeof kept) == 0);                                            \
        bad.calls = 0;                                                                            \
        FAILS(status, text,                                                                       \
              pdiff_sample_files(generator, &options, bad.cancel, "unpolished", &error));         \
        EXPECT(!exists("unpolished"));                                                            \
        bad.calls = 0;                                                                            \
        FAILS(status, text,                                                                       \
              pdiff_sample_each(generator, &options, bad.cancel, never, NULL, &error));          \
        pdiff_cancel_free(bad.cancel);                                                            \
    } while (0)
    ENDS(PDIFF_CALLBACK, "the gradient callback returned 7", fails_at);
    ENDS(PDIFF_CALLBACK, "NaN for parameter 5 at step 2 of network 3", not_finite);
    ENDS(PDIFF_CALLBACK, "the loss inf at step 2 of network 3", loss_not_finite);
    ENDS(PDIFF_CANCELLED, "cancelled", cancels_at);
}

static int32_t unasked(void *context, const float *network, uint64_t parameters, pdiff_score *score) {
    (void)context, (void)network, (void)parameters, (void)score;
    return 1;
}

static void bad_polishes(const pdiff_generator *generator) {
    static const int64_t wrong[EXAMPLES] = {0, 1, 2, 1, 0, 1};
    static const float nan[EXAMPLES][3] = {{NAN}};
    float network[PARAMETERS] = {77.0f};
    pdiff_sample_options options;
    pdiff_evaluate_options evaluation;
    pdiff_probe probe;
    make_probe(&probe);
    pdiff_init(&options, sizeof options);
#define REFUSED(status, text)                                                                     \
    do {                                                                                          \
        FAILS(status, text,                                                                       \
              pdiff_sample(generator, &options, NULL, network, sizeof network, NULL, &error));    \
        EXPECT(network[0] == 77.0f);                                                              \
        pdiff_init(&options, sizeof options);                                                     \
        make_probe(&probe);                                                                       \
        options.polish_steps = 1;                                                                 \
        options.probe = &probe;                                                                   \
    } while (0)
    options.polish_steps = 1;
    REFUSED(PDIFF_INVALID_ARGUMENT, "polish_steps is 1 with neither gradient nor probe");
    options.gradient = to_one;
    REFUSED(PDIFF_INVALID_ARGUMENT, "leave one NULL");
    options.gradient = to_one;
    options.probe = NULL;
    options.polish_batch = 2;
    REFUSED(PDIFF_INVALID_ARGUMENT, "polish_batch is for a probe");
    options.polish_rate = -1.0;
    REFUSED(PDIFF_INVALID_ARGUMENT, "a polish at rate -1");
    options.polish_batch = 7;
    REFUSED(PDIFF_INVALID_ARGUMENT, "minibatches of 7 from a probe of 6");
    probe.features = 2;
    REFUSED(PDIFF_INVALID_ARGUMENT, "12 numbers and 6 labels");
    probe.count = UINT64_MAX / 2;
    REFUSED(PDIFF_INVALID_ARGUMENT, "true count");
    probe.count = 0;
    REFUSED(PDIFF_INVALID_ARGUMENT, "0 labels");
    probe.inputs = NULL;
    REFUSED(PDIFF_INVALID_ARGUMENT, "probe.inputs is NULL");
    probe.inputs = nan[0];
    REFUSED(PDIFF_INVALID_ARGUMENT, "sample 0 diverged: its loss is NaN");
    probe.labels = NULL;
    REFUSED(PDIFF_INVALID_ARGUMENT, "probe.labels is NULL");
    probe.labels = wrong;
    REFUSED(PDIFF_INVALID_ARGUMENT, "label 2 of the probe's example 2 is no class of a network with 2 outputs");
    probe.spec = "{";
    REFUSED(PDIFF_INVALID_ARGUMENT, "docs/formats.md");
    probe.spec = "{}";
    REFUSED(PDIFF_INVALID_ARGUMENT, "the symmetry spec has no chain");
    probe.spec = NULL;
    REFUSED(PDIFF_INVALID_ARGUMENT, "the generator records no chain");
    probe.spec = "{\"chain\": {\"input\": [3], \"layers\": [{\"op\": \"linear\", \"weight\": \"absent\"}]}}";
    REFUSED(PDIFF_MISMATCH, "no tensor absent is generated");
    options.polish_steps = 0;
    options.probe = NULL;
    options.gradient = to_one;
    REFUSED(PDIFF_INVALID_ARGUMENT, "gradient is given and polish_steps is 0");
    options.polish_steps = 0;
    options.polish_rate = 0.1;
    REFUSED(PDIFF_INVALID_ARGUMENT, "polish_rate is given and polish_steps is 0");
    options.polish_steps = 0;
    options.polish_batch = 2;
    REFUSED(PDIFF_INVALID_ARGUMENT, "polish_batch is given and polish_steps is 0");
    probe.struct_size = 3;
    REFUSED(PDIFF_INVALID_ARGUMENT, "pdiff_probe.struct_size is 3");
    pdiff_init(&evaluation, sizeof evaluation);
    evaluation.sample = &options;
    collect_networks("zoo", 2);
    FAILS(PDIFF_INVALID_ARGUMENT, "the baselines would not get",
          pdiff_evaluate(generator, "zoo", "none.json", unasked, NULL, &evaluation, NULL, &error));
}

int main(int argc, char **argv) {
    pdiff_generator *generator;
    begin(argc, argv);
    generator = open_fixture("generators/gaussian.pdiff");
    polished_networks_are_better_and_the_same_every_way(generator);
    a_callback_says_what_to_polish_by(generator);
    bad_polishes(generator);
    pdiff_generator_close(generator);
    return 0;
}
