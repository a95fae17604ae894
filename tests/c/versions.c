/* Structs of an older and of a newer header, in every call that reads one. */
#include "harness.h"

/* A struct of a newer header, with a field that this library does not know. */
#define NEWER(type)                                                                               \
    struct {                                                                                      \
        type known;                                                                               \
        uint64_t later;                                                                           \
    }

/* The field of an older header's struct that was its last. */
#define ENDS_BEFORE(options, type, field) ((options).struct_size = offsetof(type, field))

static int32_t end(void *context, const pdiff_progress *progress) {
    (void)context, (void)progress;
    return 1;
}

static void collecting(void) {
    NEWER(pdiff_collect_options) options;
    NEWER(pdiff_snapshot) snapshots[2];
    NEWER(pdiff_tensor) tensors[2];
    network one;
    size_t i;
    make_network(&one, 1);
    pdiff_init(&options, sizeof options);
    for (i = 0; i < 2; i++) {
        pdiff_init(&tensors[i], sizeof tensors[i]);
        tensors[i].known.name = one.tensors[i].name;
        tensors[i].known.data = one.tensors[i].data;
        tensors[i].known.shape = one.tensors[i].shape;
        tensors[i].known.rank = one.tensors[i].rank;
        tensors[i].known.dtype = one.tensors[i].dtype;
        pdiff_init(&snapshots[i], sizeof snapshots[i]);
        snapshots[i].known.tensors = &tensors[0].known;
        snapshots[i].known.tensor_count = 2;
    }
    OK(pdiff_collect("newer", &snapshots[0].known, 2, &options.known, &error));
    options.later = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "pdiff_collect_options of",
          pdiff_collect("newer", &snapshots[0].known, 2, &options.known, &error));
    options.later = 0;
    snapshots[1].later = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "pdiff_snapshot of",
          pdiff_collect("newer", &snapshots[0].known, 2, &options.known, &error));
    snapshots[1].later = 0;
    tensors[1].later = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "pdiff_tensor of",
          pdiff_collect("newer", &snapshots[0].known, 2, &options.known, &error));
    tensors[1].later = 0;
    OK(pdiff_collect("newer", &snapshots[0].known, 2, &options.known, &error));

    /* What lies beyond an older header's struct is not read. */
    options.known.progress = end;
    ENDS_BEFORE(options.known, pdiff_collect_options, progress);
    one.snapshot.metric_count = 7;
    ENDS_BEFORE(one.snapshot, pdiff_snapshot, metric_names);
    OK(pdiff_collect("older", &one.snapshot, 1, &options.known, &error));
}

static void aligning(void) {
    NEWER(pdiff_align_options) options;
    pdiff_init(&options, sizeof options);
    options.known.symmetry = "{\"permutations\": [{\"name\": \"fc\", \"size\": 2, \"places\": ["
                             "{\"tensor\": \"fc.weight\", \"axis\": 0}, {\"tensor\": \"fc.bias\", \"axis\": 0}]}]}";
    options.later = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "pdiff_align_options of",
          pdiff_align("newer", "aligned", &options.known, NULL, &error));
    options.later = 0;
    OK(pdiff_align("newer", "aligned", &options.known, NULL, &error));
    options.known.progress = end;
    ENDS_BEFORE(options.known, pdiff_align_options, progress);
    OK(pdiff_align("newer", "aligned-too", &options.known, NULL, &error));
}

static void training(void) {
    NEWER(pdiff_train_options) options;
    collect_networks("zoo", 30);
    pdiff_init(&options, sizeof options);
    options.known.steps = 1;
    options.later = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "pdiff_train_options of",
          pdiff_train("zoo", "net.pdiff", &options.known, NULL, &error));
    if (!trains)
        return;
    options.later = 0;
    OK(pdiff_train("zoo", "net.pdiff", &options.known, NULL, &error));
    options.known.precision = 99;
    options.known.progress = end;
    ENDS_BEFORE(options.known, pdiff_train_options, progress);
    OK(pdiff_train("zoo", "net.pdiff", &options.known, NULL, &error));
}

static int32_t score(void *context, const float *network, uint64_t parameters, pdiff_score *score) {
    (void)context, (void)parameters;
    score->score = (double)network[0];
    return 0;
}

static void evaluating(void) {
    static const char *baselines[] = {"noise"};
    NEWER(pdiff_evaluate_options) options;
    pdiff_generator *generator = open_fixture("generators/gaussian.pdiff");
    pdiff_init(&options, sizeof options);
    options.known.baselines = baselines;
    options.known.baselines_length = 1;
    options.later = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "pdiff_evaluate_options of",
          pdiff_evaluate(generator, "zoo", "e.json", score, NULL, &options.known, NULL, &error));
    options.later = 0;
    options.known.progress = end;
    ENDS_BEFORE(options.known, pdiff_evaluate_options, progress);
    OK(pdiff_evaluate(generator, "zoo", "e.json", score, NULL, &options.known, NULL, &error));
    pdiff_generator_close(generator);
}

static void asking(void) {
    NEWER(pdiff_tensor_info) info;
    pdiff_generator *generator = open_fixture("generators/flow.pdiff");
    pdiff_init(&info, sizeof info);
    info.later = 7;
    OK(pdiff_generator_tensor(generator, 0, &info.known, &error));
    EXPECT(strcmp(info.known.name, "conv.weight") == 0 && info.later == 7);
    EXPECT(info.known.struct_size == sizeof info);
    pdiff_generator_close(generator);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    collecting();
    aligning();
    training();
    evaluating();
    asking();
    return 0;
}
