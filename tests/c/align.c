/* One order of hidden units: by weights, by what a chain does on examples, by the host's activations;
 * alone, and at the beginning of a training. */
#include "harness.h"
#include <math.h>

enum { INPUTS = 3, HIDDEN = 5, OUTPUTS = 2, SNAPSHOTS = 12, EXAMPLES = 64 };
enum { PARAMETERS = HIDDEN * INPUTS + HIDDEN + OUTPUTS * HIDDEN };

static const char *chain =
    "{\"chain\": {\"input\": [3], \"layers\": [{\"op\": \"linear\", \"weight\": \"a.weight\", \"bias\": "
    "\"a.bias\"}, {\"op\": \"relu\"}, {\"op\": \"linear\", \"weight\": \"b.weight\"}]}}";

/* A spec of one group that has this tensor, axis and size. */
static const char *spec(const char *tensor, int axis, int size) {
    static char text[512];
    snprintf(text, sizeof text,
             "{\"permutations\": [{\"name\": \"hidden\", \"size\": %d, \"places\": [{\"tensor\": "
             "\"a.weight\", \"axis\": 0}, {\"tensor\": \"a.bias\", \"axis\": 0}, {\"tensor\": "
             "\"%s\", \"axis\": %d}]}]}",
             size, tensor, axis);
    return text;
}

/* Snapshots of one network and a little noise, each with its hidden units in another order. */
static void collect_permuted(const char *collection) {
    static const int64_t a[] = {HIDDEN, INPUTS}, bias[] = {HIDDEN}, b[] = {OUTPUTS, HIDDEN};
    static const int64_t *const shapes[] = {a, bias, b};
    static const char *const names[] = {"a.weight", "a.bias", "b.weight"};
    static const size_t ranks[] = {2, 1, 2};
    static float all_weights[SNAPSHOTS][HIDDEN][INPUTS], all_biases[SNAPSHOTS][HIDDEN];
    static float all_outgoing[SNAPSHOTS][OUTPUTS][HIDDEN];
    static pdiff_tensor all_tensors[SNAPSHOTS][3];
    pdiff_snapshot snapshots[SNAPSHOTS];
    int turn, i;
    for (turn = 0; turn < SNAPSHOTS; turn++) {
        float(*weights)[INPUTS] = all_weights[turn], *biases = all_biases[turn];
        float(*outgoing)[HIDDEN] = all_outgoing[turn];
        const void *data[3];
        pdiff_tensor *tensors = all_tensors[turn];
        pdiff_snapshot snapshot;
        int unit;
        data[0] = weights, data[1] = biases, data[2] = outgoing;
        for (unit = 0; unit < HIDDEN; unit++) {
            const int own = (unit + turn) % HIDDEN;
            for (i = 0; i < INPUTS; i++)
                weights[unit][i] = sinf((float)(7 * own + 3 * i)) + 0.02f * sinf((float)(turn + own + i));
            biases[unit] = 0.3f * sinf((float)(7 * own + 9));
            for (i = 0; i < OUTPUTS; i++)
                outgoing[i][unit] = sinf((float)(7 * own + 3 * i + 11));
        }
        for (i = 0; i < 3; i++) {
            pdiff_init(&tensors[i], sizeof tensors[i]);
            tensors[i].name = names[i];
            tensors[i].data = data[i];
            tensors[i].shape = shapes[i];
            tensors[i].rank = ranks[i];
            tensors[i].dtype = PDIFF_DTYPE_F32;
        }
        pdiff_init(&snapshot, sizeof snapshot);
        snapshot.tensors = tensors;
        snapshot.tensor_count = 3;
        snapshots[turn] = snapshot;
    }
    OK(pdiff_collect(collection, snapshots, SNAPSHOTS, NULL, &error));
}

typedef struct host {
    int calls;
    int ends_at;    /* the call that returns 5; 0: none */
    int not_finite; /* the call that leaves NaN; 0: none */
    int lazy;       /* the call that fills nothing; 0: none */
    float networks[SNAPSHOTS][PARAMETERS];
} host;

static const float *example(int at) {
    static float numbers[EXAMPLES][INPUTS];
    int i;
    for (i = 0; i < INPUTS; i++)
        numbers[at][i] = cosf((float)(5 * at + 13 * i));
    return numbers[at];
}

/* The hidden units of a perceptron before they are rectified. */
static int32_t run(void *context, const float *network, uint64_t parameters,
                   const pdiff_activations *const *groups, size_t group_count) {
    host *mine = context;
    const float *bias = network + HIDDEN * INPUTS;
    int at, unit, i;
    EXPECT(parameters == PARAMETERS && group_count == 1);
    EXPECT(groups[0]->struct_size == sizeof **groups && strlen(groups[0]->group) > 0);
    EXPECT(groups[0]->examples == EXAMPLES && groups[0]->units == HIDDEN);
    memcpy(mine->networks[mine->calls], network, sizeof mine->networks[0]);
    mine->calls++;
    if (mine->calls == mine->lazy)
        return 0;
    for (at = 0; at < EXAMPLES; at++)
        for (unit = 0; unit < HIDDEN; unit++) {
            float sum = bias[unit];
            for (i = 0; i < INPUTS; i++)
                sum += network[unit * INPUTS + i] * example(at)[i];
            groups[0]->values[at * HIDDEN + unit] = sum;
        }
    if (mine->calls == mine->not_finite)
        groups[0]->values[HIDDEN + 2] = NAN;
    return mine->calls == mine->ends_at ? 5 : 0;
}

/* What runs networks for the check of a spec, and how it fails. */
typedef struct runner {
    int calls, ends_at, not_finite;
} runner;

/* A perceptron's outputs on the examples. */
static int32_t compute(void *context, const float *network, uint64_t parameters, float *outputs, uint64_t count) {
    runner *mine = context;
    const float *bias = network + HIDDEN * INPUTS, *outgoing = bias + HIDDEN;
    int at, unit, i;
    EXPECT(parameters == PARAMETERS && count == EXAMPLES * OUTPUTS);
    mine->calls++;
    for (at = 0; at < EXAMPLES; at++) {
        float *out = outputs + at * OUTPUTS;
        out[0] = out[1] = 0.0f;
        for (unit = 0; unit < HIDDEN; unit++) {
            float sum = bias[unit];
            for (i = 0; i < INPUTS; i++)
                sum += network[unit * INPUTS + i] * example(at)[i];
            for (i = 0; i < OUTPUTS; i++)
                out[i] += outgoing[i * HIDDEN + unit] * fmaxf(sum, 0.0f);
        }
    }
    if (mine->calls == mine->not_finite)
        outputs[3] = NAN;
    return mine->calls == mine->ends_at ? 4 : 0;
}

static int32_t count_steps(void *context, const pdiff_progress *progress) {
    int *calls = context;
    EXPECT(strcmp(progress->phase, "align") == 0 && progress->step <= progress->total);
    ++*calls;
    return 0;
}

static int32_t stop(void *context, const pdiff_progress *progress) {
    (void)context;
    return progress->step == 3;
}

/* Whether two collections hold the same snapshots. */
static int are_alike(const char *a, const char *b) {
    char path[2][64];
    size_t counts[2];
    unsigned char *bytes[2];
    int same;
    snprintf(path[0], sizeof path[0], "%s/shard-000000.safetensors", a);
    snprintf(path[1], sizeof path[1], "%s/shard-000000.safetensors", b);
    bytes[0] = read_file(path[0], &counts[0]);
    bytes[1] = read_file(path[1], &counts[1]);
    same = counts[0] == counts[1] && memcmp(bytes[0], bytes[1], counts[0]) == 0;
    free(bytes[0]);
    free(bytes[1]);
    return same;
}

/* The largest difference of a snapshot's number from the first one's. */
static double apart(const host *seen) {
    double most = 0.0;
    int i, j;
    for (i = 1; i < SNAPSHOTS; i++)
        for (j = 0; j < PARAMETERS; j++)
            most = fmax(most, fabs((double)seen->networks[i][j] - (double)seen->networks[0][j]));
    return most;
}

static void three_ways_agree(pdiff_align_options options) {
    static float examples[EXAMPLES][INPUTS];
    static host seen, again;
    int i, steps = 0;
    for (i = 0; i < EXAMPLES; i++)
        memcpy(examples[i], example(i), sizeof examples[i]);
    options.progress = count_steps;
    options.progress_context = &steps;
    OK(pdiff_align("zoo", "by-weights", NULL, NULL, &error));
    OK(pdiff_align("zoo", "by-spec", &options, NULL, &error));
    EXPECT(steps == 5 * SNAPSHOTS);
    EXPECT(are_alike("by-weights", "by-spec") && !are_alike("zoo", "by-weights"));

    options.symmetry = chain;
    options.examples = examples[0];
    options.example_count = EXAMPLES;
    options.example_numbers = INPUTS;
    steps = 0;
    OK(pdiff_align("zoo", "by-examples", &options, NULL, &error));
    EXPECT(steps == SNAPSHOTS && are_alike("by-weights", "by-examples"));
    options.example_numbers = INPUTS + 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "of 3 numbers",
          pdiff_align("zoo", "new", &options, NULL, &error));
    options.example_numbers = INPUTS;
    options.example_count = 0;
    FAILS(PDIFF_INVALID_ARGUMENT, "0 examples",
          pdiff_align("zoo", "new", &options, NULL, &error));
    options.example_count = EXAMPLES;
    options.symmetry = spec("b.weight", 1, HIDDEN);
    FAILS(PDIFF_INVALID_ARGUMENT, "no chain", pdiff_align("zoo", "new", &options, NULL, &error));
    options.activations = run;
    FAILS(PDIFF_INVALID_ARGUMENT, "pass one of them",
          pdiff_align("zoo", "new", &options, NULL, &error));

    options.examples = NULL;
    options.activations_context = &seen;
    OK(pdiff_align("zoo", "by-activations", &options, NULL, &error));
    EXPECT(seen.calls == SNAPSHOTS && are_alike("by-weights", "by-activations"));
    options.activations_context = &again;
    OK(pdiff_align("by-activations", "again", &options, NULL, &error));
    EXPECT(are_alike("by-activations", "again"));
    EXPECT(apart(&seen) > 0.5 && apart(&again) < 0.05);
}

/* A spec that leaves out what the units go to, or carry along. */
static void a_wrong_spec_is_found_out(pdiff_align_options options) {
    static const char *half = "{\"permutations\": [{\"name\": \"hidden\", \"size\": 5, \"places\": [{\"tensor\": "
                              "\"a.weight\", \"axis\": 0}, {\"tensor\": \"a.bias\", \"axis\": 0}]}]}";
    static const char *no_bias = "{\"permutations\": [{\"name\": \"hidden\", \"size\": 5, \"places\": [{\"tensor\": "
                                 "\"a.weight\", \"axis\": 0}, {\"tensor\": \"b.weight\", \"axis\": 1}]}]}";
    static const char *short_chain = "{\"chain\": {\"input\": [3], \"layers\": [{\"op\": \"linear\", \"weight\": "
                                     "\"a.weight\"}, {\"op\": \"relu\"}, {\"op\": \"linear\", \"weight\": "
                                     "\"b.weight\"}]}}";
    runner mine = {0, 0, 0};
    options.symmetry = no_bias;
    FAILS(PDIFF_MISMATCH, "axis 0 of tensor a.weight and not of a.bias",
          pdiff_align("zoo", "new", &options, NULL, &error));
    options.symmetry = short_chain;
    FAILS(PDIFF_MISMATCH, "not of a.bias", pdiff_align("zoo", "new", &options, NULL, &error));
    options.run = compute;
    options.run_context = &mine;
    options.symmetry = half;
    FAILS(PDIFF_INVALID_ARGUMENT, "run_outputs is 0", pdiff_align("zoo", "new", &options, NULL, &error));
    options.run_outputs = EXAMPLES * OUTPUTS;
    FAILS(PDIFF_MISMATCH, "group hidden changes the function", pdiff_align("zoo", "new", &options, NULL, &error));
    EXPECT(mine.calls == 2);
    options.symmetry = spec("b.weight", 1, HIDDEN);
    mine.not_finite = 4;
    FAILS(PDIFF_CALLBACK, "output 3 of the run callback is NaN", pdiff_align("zoo", "new", &options, NULL, &error));
    mine.ends_at = 5;
    FAILS(PDIFF_CALLBACK, "the run callback returned 4", pdiff_align("zoo", "new", &options, NULL, &error));
    EXPECT(!exists("new"));
    OK(pdiff_align("zoo", "by-run", &options, NULL, &error));
    EXPECT(mine.calls == 7 && are_alike("by-run", "by-weights"));
}

/* What fails leaves nothing. */
static void failures(pdiff_align_options options) {
    static host mine;
    pdiff_cancel *cancel = NULL;
    options.activations = run;
    options.activations_context = &mine;
    FAILS(PDIFF_INVALID_ARGUMENT, "example_count is 0",
          pdiff_align("zoo", "new", &options, NULL, &error));
    options.example_count = EXAMPLES;
    mine.ends_at = 4;
    FAILS(PDIFF_CALLBACK, "returned 5", pdiff_align("zoo", "new", &options, NULL, &error));
    EXPECT(mine.calls == 4);
    memset(&mine, 0, sizeof mine);
    mine.not_finite = 2;
    FAILS(PDIFF_CALLBACK, "unit 2 of hidden on example 1 is NaN",
          pdiff_align("zoo", "new", &options, NULL, &error));
    memset(&mine, 0, sizeof mine);
    mine.lazy = 1;
    FAILS(PDIFF_CALLBACK, "is NaN", pdiff_align("zoo", "new", &options, NULL, &error));
    memset(&mine, 0, sizeof mine);
    options.progress = stop;
    FAILS(PDIFF_CALLBACK, "progress callback returned 1",
          pdiff_align("zoo", "new", &options, NULL, &error));
    options.progress = NULL;
    options.activations = NULL;
    options.example_count = 0;
    OK(pdiff_cancel_new(&cancel, &error));
    OK(pdiff_cancel_set(cancel, &error));
    FAILS(PDIFF_CANCELLED, "cancel", pdiff_align("zoo", "new", &options, cancel, &error));
    pdiff_cancel_free(cancel);

    options.symmetry = spec("c.weight", 1, HIDDEN);
    FAILS(PDIFF_MISMATCH, "no tensor c.weight", pdiff_align("zoo", "new", &options, NULL, &error));
    options.symmetry = spec("b.weight", 2, HIDDEN);
    FAILS(PDIFF_MISMATCH, "no axis 2", pdiff_align("zoo", "new", &options, NULL, &error));
    options.symmetry = spec("b.weight", 0, HIDDEN);
    FAILS(PDIFF_MISMATCH, "axis 0 of tensor b.weight has length 2",
          pdiff_align("zoo", "new", &options, NULL, &error));
    options.symmetry = "{\"groups\": []}";
    FAILS(PDIFF_INVALID_ARGUMENT, "symmetry: unknown field",
          pdiff_align("zoo", "new", &options, NULL, &error));
    options.symmetry = spec("b.weight", 1, HIDDEN);
    options.balance = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "no scalings", pdiff_align("zoo", "new", &options, NULL, &error));
    options.balance = 0;
    FAILS(PDIFF_INVALID_ARGUMENT, "by-weights: is there already",
          pdiff_align("zoo", "by-weights", &options, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "absent: not a collection",
          pdiff_align("absent", "new", &options, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "aligned is NULL",
          pdiff_align("zoo", NULL, &options, NULL, &error));
    FAILS(PDIFF_IO, "nowhere/new", pdiff_align("zoo", "nowhere/new", &options, NULL, &error));
    options.struct_size = 3;
    FAILS(PDIFF_INVALID_ARGUMENT, "pdiff_align_options.struct_size is 3",
          pdiff_align("zoo", "new", &options, NULL, &error));
    EXPECT(!exists("new"));
}

/* A training that aligns gives the generator of the aligned copy. */
static void trained(const char *collection, const pdiff_train_options *options,
                    float network[PARAMETERS]) {
    pdiff_generator *generator = NULL;
    OK(pdiff_train(collection, "net.pdiff", options, NULL, &error));
    OK(pdiff_generator_open("net.pdiff", &generator, &error));
    OK(pdiff_sample(generator, NULL, NULL, network, PARAMETERS * sizeof *network, NULL, &error));
    pdiff_generator_close(generator);
}

static void training(void) {
    float aligned[PARAMETERS], first[PARAMETERS], apart[PARAMETERS];
    pdiff_train_options options;
    pdiff_init(&options, sizeof options);
    trained("by-weights", &options, aligned);
    trained("zoo", &options, apart);
    options.align = PDIFF_ALIGN_WEIGHTS;
    trained("zoo", &options, first);
    EXPECT(memcmp(aligned, first, sizeof first) == 0 && memcmp(aligned, apart, sizeof first) != 0);
    options.align = 7;
    FAILS(PDIFF_INVALID_ARGUMENT, "align 7", pdiff_train("zoo", "new", &options, NULL, &error));
    options.align = PDIFF_ALIGN_WEIGHTS;
    options.symmetry = spec("c.weight", 1, HIDDEN);
    FAILS(PDIFF_MISMATCH, "no tensor c.weight",
          pdiff_train("zoo", "new", &options, NULL, &error));
    options.align = PDIFF_ALIGN_NONE;
    FAILS(PDIFF_INVALID_ARGUMENT, "a symmetry spec for nothing",
          pdiff_train("zoo", "new", &options, NULL, &error));
    EXPECT(!exists("new"));
}

int main(int argc, char **argv) {
    pdiff_align_options options;
    begin(argc, argv);
    collect_permuted("zoo");
    pdiff_init(&options, sizeof options);
    options.symmetry = spec("b.weight", 1, HIDDEN);
    three_ways_agree(options);
    a_wrong_spec_is_found_out(options);
    failures(options);
    if (trains)
        training();
    return 0;
}
