/* Training by a behaviour loss: by a probe and by a callback, and what is refused. */
#include "probe.h"

enum { COUNT = 64, STEPS = 60, NETWORKS = 32 };

/* The mean of a loss over a generator's samples. */
static double mean(const char *path, double (*loss)(const float *)) {
    static float networks[COUNT][PARAMETERS];
    pdiff_generator *generator = NULL;
    pdiff_sample_options options;
    double sum = 0.0;
    size_t i;
    pdiff_init(&options, sizeof options);
    options.count = COUNT;
    options.seed = 5;
    OK(pdiff_generator_open(path, &generator, &error));
    OK(pdiff_sample(generator, &options, NULL, networks, sizeof networks, NULL, &error));
    pdiff_generator_close(generator);
    for (i = 0; i < COUNT; i++)
        sum += loss(networks[i]);
    return sum / COUNT;
}

/* What the gradient callback is told to do, and what it saw. */
typedef struct host {
    uint64_t calls;
    uint64_t fails_at, not_finite, cancels_at; /* a call, from 1; 0: none */
    pdiff_cancel *cancel;
} host;

/* Half of the square of the distance from 1, and its gradient. */
static int32_t to_one(void *context, uint64_t number, uint64_t step, const float *network, uint64_t parameters,
                      double *loss, float *gradient) {
    host *mine = context;
    size_t i;
    EXPECT(parameters == PARAMETERS);
    EXPECT(number == mine->calls % NETWORKS && step == mine->calls / NETWORKS);
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
    return 0;
}

static void a_probe_teaches(pdiff_train_options options) {
    pdiff_probe probe;
    make_probe(&probe);
    options.probe = &probe;
    options.behaviour_batch = 4;
    OK(pdiff_train("zoo", "taught.pdiff", &options, NULL, &error));
    EXPECT(mean("taught.pdiff", loss_of) < mean("plain.pdiff", loss_of) - 0.01);
    /* Again gives the same networks (the files differ in the seconds that they record), and half the precision
     * nearly so. */
    OK(pdiff_train("zoo", "again.pdiff", &options, NULL, &error));
    EXPECT(mean("again.pdiff", loss_of) == mean("taught.pdiff", loss_of));
    options.precision = PDIFF_DTYPE_F16;
    OK(pdiff_train("zoo", "half.pdiff", &options, NULL, &error));
    EXPECT(fabs(mean("half.pdiff", loss_of) - mean("taught.pdiff", loss_of)) < 1e-3);
}

/* No data: what the snapshots agree on. */
static void snapshots_teach(pdiff_train_options options) {
    pdiff_probe probe;
    options.distill = spec;
    options.behaviour_batch = 16;
    OK(pdiff_train("zoo", "distilled.pdiff", &options, NULL, &error));
    EXPECT(mean("distilled.pdiff", loss_of) != mean("plain.pdiff", loss_of));
    options.distill = "";
    FAILS(PDIFF_INVALID_ARGUMENT, "the collection records no chain",
          pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    options.distill = "{";
    FAILS(PDIFF_INVALID_ARGUMENT, "distill", pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    options.distill = spec;
    make_probe(&probe);
    options.probe = &probe;
    FAILS(PDIFF_INVALID_ARGUMENT, "distill beside probe, gradient or score",
          pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    EXPECT(!exists("no.pdiff"));
}

/* Snapshots that share a span teach nothing of themselves, and nothing else is to be taught by a spec alone. */
static void only_what_is_asked_for_is_taught(pdiff_train_options options) {
    static const char logits[] = "{\"chain\": {\"input\": [3], \"layers\": [{\"op\": \"linear\", \"weight\": "
                                 "\"fc.weight\", \"bias\": \"fc.bias\"}], \"outputs\": \"logits\"}}";
    options.behaviour_steps = 0;
    options.symmetry = logits;
    OK(pdiff_train("zoo", "of_itself.pdiff", &options, NULL, &error));
    EXPECT(mean("of_itself.pdiff", loss_of) == mean("plain.pdiff", loss_of));
    options.untaught = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "a symmetry spec for nothing",
          pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    options.symmetry = NULL;
    options.reserved = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "reserved", pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    options.reserved = 0;
    OK(pdiff_train("zoo", "untaught.pdiff", &options, NULL, &error));
    EXPECT(mean("untaught.pdiff", loss_of) == mean("plain.pdiff", loss_of));
}

static void a_callback_teaches(pdiff_train_options options) {
    host host = {0, 0, 0, 0, NULL};
    options.gradient = to_one;
    options.gradient_context = &host;
    OK(pdiff_train("zoo", "nearer.pdiff", &options, NULL, &error));
    EXPECT(host.calls == NETWORKS * STEPS);
    EXPECT(mean("nearer.pdiff", from_one) < mean("plain.pdiff", from_one) - 0.01);

    host.calls = 0;
    host.fails_at = 40;
    FAILS(PDIFF_CALLBACK, "the gradient callback returned 7", pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    host.calls = 0;
    host.fails_at = 0;
    host.not_finite = 70;
    FAILS(PDIFF_CALLBACK, "NaN for parameter 5 at step 2 of network 5",
          pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    host.calls = 0;
    host.not_finite = 0;
    host.cancels_at = 50;
    OK(pdiff_cancel_new(&host.cancel, &error));
    FAILS(PDIFF_CANCELLED, "cancelled", pdiff_train("zoo", "no.pdiff", &options, host.cancel, &error));
    pdiff_cancel_free(host.cancel);
    EXPECT(host.calls < 60 && !exists("no.pdiff"));
}

/* What the score callback is told to do, and what it saw. */
typedef struct judge {
    uint64_t calls;
    uint64_t fails_at, not_finite, cancels_at; /* a call, from 1; 0: none */
    pdiff_cancel *cancel;
} judge;

/* By the selection score: near 1 is good. By the score it is bad, and that is not used. */
static int32_t nearness(void *context, const float *network, uint64_t parameters, pdiff_score *score) {
    judge *mine = context;
    EXPECT(parameters == PARAMETERS);
    mine->calls++;
    if (mine->calls == mine->fails_at)
        return 7;
    if (mine->calls == mine->cancels_at)
        OK(pdiff_cancel_set(mine->cancel, &error));
    score->has_selection = 1;
    score->selection_score = mine->calls == mine->not_finite ? NAN : -from_one(network);
    score->score = from_one(network);
    return 0;
}

static void a_score_teaches(pdiff_train_options options) {
    judge judge = {0, 0, 0, 0, NULL};
    pdiff_probe probe;
    options.score = nearness;
    options.score_context = &judge;
    OK(pdiff_train("zoo", "scored.pdiff", &options, NULL, &error));
    EXPECT(judge.calls == 2 * NETWORKS * STEPS);
    EXPECT(mean("scored.pdiff", from_one) < mean("plain.pdiff", from_one) - 0.01);

    judge.calls = 0;
    judge.fails_at = 40;
    FAILS(PDIFF_CALLBACK, "the score callback returned 7", pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    judge.calls = 0;
    judge.fails_at = 0;
    judge.not_finite = 70;
    FAILS(PDIFF_CALLBACK, "its score is NaN", pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    judge.calls = 0;
    judge.not_finite = 0;
    judge.cancels_at = 50;
    OK(pdiff_cancel_new(&judge.cancel, &error));
    FAILS(PDIFF_CANCELLED, "cancelled", pdiff_train("zoo", "no.pdiff", &options, judge.cancel, &error));
    pdiff_cancel_free(judge.cancel);
    EXPECT(judge.calls == 50 && !exists("no.pdiff"));

    options.behaviour_batch = 4;
    FAILS(PDIFF_INVALID_ARGUMENT, "behaviour_batch is for a probe, and a score callback",
          pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    options.behaviour_batch = 0;
    make_probe(&probe);
    options.probe = &probe;
    FAILS(PDIFF_INVALID_ARGUMENT, "score beside probe or gradient",
          pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    options.probe = NULL;
    options.distill = spec;
    FAILS(PDIFF_INVALID_ARGUMENT, "distill beside probe, gradient or score",
          pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
}

static void what_cannot_be_taught_is_refused(pdiff_train_options options) {
    host host = {0, 0, 0, 0, NULL};
    const char *name = "speed";
    const float speed = 1.0f;
    pdiff_collect_options collected;
    pdiff_probe probe;
    int64_t wrong[EXAMPLES] = {0, 1, 2, 1, 0, 1};
    float not_a_number[EXAMPLES][3] = {{NAN, 0, 0}};
    int i;
    make_probe(&probe);
    FAILS(PDIFF_INVALID_ARGUMENT, "behaviour_steps is 60 with neither gradient nor probe nor score nor distill; pass one",
          pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    options.probe = &probe;
    options.gradient = to_one;
    options.gradient_context = &host;
    FAILS(PDIFF_INVALID_ARGUMENT, "gradient and probe are both given",
          pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    options.probe = NULL;
    options.behaviour_batch = 4;
    FAILS(PDIFF_INVALID_ARGUMENT, "behaviour_batch is for a probe",
          pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    options.gradient = NULL;
    options.probe = &probe;
    options.behaviour_batch = 7;
    FAILS(PDIFF_INVALID_ARGUMENT, "minibatches of 7 from a probe of 6 examples",
          pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    options.behaviour_batch = 0;
    probe.spec = NULL;
    FAILS(PDIFF_INVALID_ARGUMENT, "the collection records no chain",
          pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    probe.spec = spec;
    probe.labels = wrong;
    FAILS(PDIFF_INVALID_ARGUMENT, "label 2 of the probe's example 2 is no class",
          pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    probe.labels = classes;
    options.engine = PDIFF_ENGINE_PAPER;
    FAILS(PDIFF_INVALID_ARGUMENT, "a behaviour loss is for the default engine",
          pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    options.engine = PDIFF_ENGINE_DEFAULT;
    probe.inputs = not_a_number[0];
    FAILS(PDIFF_INVALID_ARGUMENT, "the behaviour loss is NaN at step",
          pdiff_train("zoo", "no.pdiff", &options, NULL, &error));
    probe.inputs = inputs[0];
    pdiff_init(&collected, sizeof collected);
    collected.conditions = &name;
    collected.condition_count = 1;
    for (i = 0; i < 4; i++) {
        network one;
        make_network(&one, i);
        one.snapshot.condition = &speed;
        one.snapshot.condition_length = 1;
        OK(pdiff_collect("speeds", &one.snapshot, 1, &collected, &error));
    }
    FAILS(PDIFF_INVALID_ARGUMENT, "the same behaviour at every condition",
          pdiff_train("speeds", "no.pdiff", &options, NULL, &error));
    EXPECT(!exists("no.pdiff") && host.calls == 0);
}

int main(int argc, char **argv) {
    pdiff_train_options options;
    pdiff_probe probe;
    begin(argc, argv);
    collect_networks("zoo", 40);
    pdiff_init(&options, sizeof options);
    options.steps = 20;
    if (!trains) {
        make_probe(&probe);
        options.probe = &probe;
        FAILS(PDIFF_UNSUPPORTED, "torch", pdiff_train("zoo", "net.pdiff", &options, NULL, &error));
        return 0;
    }
    OK(pdiff_train("zoo", "plain.pdiff", &options, NULL, &error));
    options.behaviour_steps = STEPS;
    a_probe_teaches(options);
    snapshots_teach(options);
    only_what_is_asked_for_is_taught(options);
    a_callback_teaches(options);
    a_score_teaches(options);
    what_cannot_be_taught_is_refused(options);
    return 0;
}
