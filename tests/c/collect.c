/* Collecting from memory and from files, and everything that may be wrong with it. */
#include "harness.h"

#include <math.h>

static int32_t collect_one(const char *collection, const network *one) {
    return pdiff_collect(collection, &one->snapshot, 1, NULL, &error);
}

static int32_t count_calls(void *context, const pdiff_progress *progress) {
    int *calls = context;
    EXPECT(progress->struct_size >= sizeof *progress);
    EXPECT(strcmp(progress->phase, "collect") == 0);
    EXPECT(progress->step == (uint64_t)++*calls && progress->total == 3);
    return *calls == 3 ? 42 : 0;
}

static void snapshots_with_conditions_metrics_and_progress(void) {
    static const char *conditions[] = {"speed"};
    static const char *patterns[] = {"*.weight"};
    static const char *metrics[] = {"accuracy"};
    static const float speed[] = {1.5f};
    static const double accuracy[] = {0.9};
    network networks[3];
    pdiff_snapshot snapshots[3];
    pdiff_collect_options options;
    int i, calls = 0;
    for (i = 0; i < 3; i++) {
        make_network(&networks[i], i);
        snapshots[i] = networks[i].snapshot;
        snapshots[i].name = "step";
        snapshots[i].condition = speed;
        snapshots[i].condition_length = 1;
        snapshots[i].metric_names = metrics;
        snapshots[i].metric_values = accuracy;
        snapshots[i].metric_count = 1;
    }
    pdiff_init(&options, sizeof options);
    options.select = patterns;
    options.select_count = 1;
    options.conditions = conditions;
    options.condition_count = 1;
    OK(pdiff_collect("conditioned", snapshots, 3, &options, &error));

    options.progress = count_calls;
    options.progress_context = &calls;
    FAILS(PDIFF_CALLBACK, "42", pdiff_collect("ended", snapshots, 3, &options, &error));
    EXPECT(calls == 3 && !exists("ended/collection.json"));

    options.progress = NULL;
    snapshots[1].condition_length = 0;
    FAILS(PDIFF_CONDITION, "snapshot step", pdiff_collect("conditioned", snapshots, 3, NULL, &error));
    snapshots[1].condition_length = 1;
    snapshots[2].metric_count = 0;
    FAILS(PDIFF_MISMATCH, "metrics", pdiff_collect("conditioned", snapshots, 3, NULL, &error));
    patterns[0] = "*.kernel";
    FAILS(PDIFF_EMPTY_SELECTION, "*.kernel", pdiff_collect("none", snapshots, 1, &options, &error));
    EXPECT(!exists("none/collection.json"));
}

static void checkpoint_files(void) {
    pdiff_snapshot snapshot;
    pdiff_init(&snapshot, sizeof snapshot);
    snapshot.file = fixture("checkpoints/plain.pt");
    OK(pdiff_collect("files", &snapshot, 1, NULL, &error));
    snapshot.file = fixture("checkpoints/hostile.pt");
    FAILS(PDIFF_UNSUPPORTED, "hostile.pt", pdiff_collect("files", &snapshot, 1, NULL, &error));
    snapshot.file = "absent.safetensors";
    FAILS(PDIFF_IO, "absent.safetensors", pdiff_collect("files", &snapshot, 1, NULL, &error));
    write_file("empty.safetensors", "", 0);
    snapshot.file = "empty.safetensors";
    FAILS(PDIFF_CORRUPT, "empty", pdiff_collect("files", &snapshot, 1, NULL, &error));
    /* A header that claims an exabyte. */
    write_file("claims.safetensors", "\0\0\0\0\0\0\0\x10{}", 10);
    snapshot.file = "claims.safetensors";
    FAILS(PDIFF_CORRUPT, "claims", pdiff_collect("files", &snapshot, 1, NULL, &error));
    {
        size_t count;
        unsigned char *bytes = read_file(fixture("checkpoints/dtypes.safetensors"), &count);
        write_file("cut.safetensors", bytes, count - 1);
        free(bytes);
        snapshot.file = "cut.safetensors";
        FAILS(PDIFF_CORRUPT, "cut", pdiff_collect("files", &snapshot, 1, NULL, &error));
    }
    /* Paths are bytes. */
    {
        size_t count;
        unsigned char *bytes = read_file(fixture("checkpoints/dtypes.safetensors"), &count);
        write_file("d\xff.safetensors", bytes, count);
        free(bytes);
        snapshot.file = "d\xff.safetensors";
        OK(pdiff_collect("zoo\xfe", &snapshot, 1, NULL, &error));
        EXPECT(exists("zoo\xfe/collection.json"));
    }
}

static void every_dtype(void) {
    static const int32_t dtypes[] = {PDIFF_DTYPE_F32, PDIFF_DTYPE_F64, PDIFF_DTYPE_F16,
                                     PDIFF_DTYPE_BF16, PDIFF_DTYPE_I64, PDIFF_DTYPE_I32,
                                     PDIFF_DTYPE_I16, PDIFF_DTYPE_I8, PDIFF_DTYPE_U8,
                                     PDIFF_DTYPE_BOOL};
    static const char *names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    static const double zeros[2] = {0.0, 0.0};
    pdiff_tensor tensors[10];
    pdiff_snapshot snapshot;
    size_t i;
    for (i = 0; i < 10; i++) {
        pdiff_init(&tensors[i], sizeof tensors[i]);
        tensors[i].name = names[i];
        tensors[i].data = zeros;
        tensors[i].shape = bias_shape;
        tensors[i].rank = 1;
        tensors[i].dtype = dtypes[i];
    }
    tensors[4].shape = NULL; /* a scalar */
    tensors[4].rank = 0;
    pdiff_init(&snapshot, sizeof snapshot);
    snapshot.tensors = tensors;
    snapshot.tensor_count = 10;
    OK(pdiff_collect("dtypes", &snapshot, 1, NULL, &error));
}

static void other_networks_are_named(void) {
    static const int64_t wider[] = {2, 4}, negative[] = {-2, 3};
    static const int64_t huge[] = {INT64_MAX, INT64_MAX};
    static const float more[8] = {0};
    network one;
    collect_networks("zoo", 2);
    make_network(&one, 3);
    one.tensors[0].shape = wider;
    one.tensors[0].data = more;
    FAILS(PDIFF_MISMATCH, "fc.weight is F32 [2, 4] and the collection's is F32 [2, 3]",
          collect_one("zoo", &one));
    make_network(&one, 3);
    one.tensors[1].name = "fc.offset";
    FAILS(PDIFF_MISMATCH, "fc.offset", collect_one("zoo", &one));
    make_network(&one, 3);
    one.tensors[1].dtype = PDIFF_DTYPE_F16;
    FAILS(PDIFF_MISMATCH, "fc.bias is F16 [2]", collect_one("zoo", &one));
    make_network(&one, 3);
    one.snapshot.tensor_count = 1;
    FAILS(PDIFF_MISMATCH, "fc.bias [2] is missing", collect_one("zoo", &one));
    make_network(&one, 3);
    one.weight[4] = (float)NAN;
    FAILS(PDIFF_NON_FINITE, "fc.weight holds NaN at index 4", collect_one("zoo", &one));
    one.weight[4] = (float)-INFINITY;
    FAILS(PDIFF_NON_FINITE, "holds -inf", collect_one("zoo", &one));
    make_network(&one, 3);
    one.tensors[0].shape = negative;
    FAILS(PDIFF_INVALID_ARGUMENT, "fc.weight", collect_one("zoo", &one));
    one.tensors[0].shape = huge;
    FAILS(PDIFF_INVALID_ARGUMENT, "too large", collect_one("zoo", &one));
    make_network(&one, 3);
    one.tensors[0].dtype = 99;
    FAILS(PDIFF_INVALID_ARGUMENT, "dtype 99", collect_one("zoo", &one));
    make_network(&one, 3);
    one.tensors[0].reserved = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "reserved", collect_one("zoo", &one));
    make_network(&one, 3);
    OK(collect_one("zoo", &one));
}

static void nulls_and_sizes_are_named(void) {
    network one;
    pdiff_collect_options options;
    struct {
        pdiff_collect_options known;
        uint64_t later;
    } newer;
    make_network(&one, 0);
    FAILS(PDIFF_INVALID_ARGUMENT, "collection is NULL", collect_one(NULL, &one));
    FAILS(PDIFF_INVALID_ARGUMENT, "collection is empty", collect_one("", &one));
    FAILS(PDIFF_INVALID_ARGUMENT, "snapshots is NULL", pdiff_collect("n", NULL, 1, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "no snapshots", pdiff_collect("n", NULL, 0, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "snapshots",
          pdiff_collect("n", &one.snapshot, SIZE_MAX / 2, NULL, &error));
    one.snapshot.tensors = NULL;
    FAILS(PDIFF_INVALID_ARGUMENT, "tensors is NULL", collect_one("n", &one));
    make_network(&one, 0);
    one.snapshot.file = "both";
    FAILS(PDIFF_INVALID_ARGUMENT, "a file and tensors", collect_one("n", &one));
    make_network(&one, 0);
    one.tensors[1].name = NULL;
    FAILS(PDIFF_INVALID_ARGUMENT, "tensors[1].name is NULL", collect_one("n", &one));
    one.tensors[1].name = "fc\xff";
    FAILS(PDIFF_INVALID_ARGUMENT, "tensors[1].name is not UTF-8", collect_one("n", &one));
    make_network(&one, 0);
    one.tensors[0].data = NULL;
    FAILS(PDIFF_INVALID_ARGUMENT, "tensor fc.weight: data is NULL", collect_one("n", &one));
    make_network(&one, 0);
    one.tensors[0].shape = NULL;
    FAILS(PDIFF_INVALID_ARGUMENT, "tensor fc.weight: shape is NULL", collect_one("n", &one));
    make_network(&one, 0);
    one.snapshot.condition_length = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "condition is NULL", collect_one("n", &one));
    make_network(&one, 0);
    one.snapshot.metric_count = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "metric_names is NULL", collect_one("n", &one));
    make_network(&one, 0);
    one.snapshot.struct_size = 0;
    FAILS(PDIFF_INVALID_ARGUMENT, "pdiff_snapshot.struct_size is 0", collect_one("n", &one));
    make_network(&one, 0);
    one.tensors[1].struct_size += 8;
    FAILS(PDIFF_INVALID_ARGUMENT, "tensors[1] has another struct_size", collect_one("n", &one));

    make_network(&one, 0);
    pdiff_init(&options, sizeof options);
    options.select_count = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "select is NULL",
          pdiff_collect("n", &one.snapshot, 1, &options, &error));
    /* A newer header: fine while its new fields are zero. */
    pdiff_init(&newer, sizeof newer);
    newer.later = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "pdiff_collect_options of 64 bytes",
          pdiff_collect("n", &one.snapshot, 1, &newer.known, &error));
    EXPECT(!exists("n/collection.json"));
    newer.later = 0;
    OK(pdiff_collect("newer", &one.snapshot, 1, &newer.known, &error));
    /* An older one: it ended after the patterns, and what lies beyond is not read. */
    pdiff_init(&options, sizeof options);
    options.struct_size = offsetof(pdiff_collect_options, conditions);
    options.condition_count = 1;
    OK(pdiff_collect("older", &one.snapshot, 1, &options, &error));
}

int main(int argc, char **argv) {
    begin(argc, argv);
    snapshots_with_conditions_metrics_and_progress();
    checkpoint_files();
    every_dtype();
    other_networks_are_named();
    nulls_and_sizes_are_named();
    return 0;
}
