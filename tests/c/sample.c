/* Sampling into buffers and files: the same bytes however they are asked for, and what is refused. */
#include "harness.h"

#include <math.h>
#include <stdint.h>

enum { PARAMETERS = 17, COUNT = 9 };

static void sample_into(const pdiff_generator *generator, const pdiff_sample_options *options,
                        void *out, size_t bytes) {
    size_t needed = 0;
    OK(pdiff_sample(generator, options, NULL, out, bytes, &needed, &error));
    EXPECT(needed == bytes);
}

/* mean + scale a z: one product and one sum an element, so the bytes are every machine's. */
static void golden_bytes(void) {
    static const uint32_t golden[2][8] = {
        {0x3e598c40, 0x3e23f59e, 0x3d1b3098, 0xbe32630a,
         0xbec07800, 0x3e6f184c, 0x3e1cf20e, 0x3ef92f9f},
        {0x3e5913b9, 0x3e8e1542, 0x3bbbf6c0, 0xbe8824ca,
         0xbeed10e2, 0x3e433180, 0x3e1ff2a2, 0x3f12518d},
    };
    uint32_t bits[2][8];
    pdiff_generator *generator = open_fixture("generators/gaussian.pdiff");
    pdiff_sample_options options;
    size_t i;
    pdiff_init(&options, sizeof options);
    options.count = 2;
    options.seed = 7;
    sample_into(generator, &options, bits, sizeof bits);
    for (i = 0; i < 16; i++)
        if (bits[i / 8][i % 8] != golden[i / 8][i % 8])
            fprintf(stderr, "%u: 0x%08x\n", (unsigned)i, (unsigned)bits[i / 8][i % 8]);
    EXPECT(memcmp(bits, golden, sizeof bits) == 0);
    pdiff_generator_close(generator);
}

/* Whether a product and a sum round once here: which of two classes this machine is of. */
static int fuses(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2");
#else
    return 1;
#endif
}

/* A sum's last bit differs between classes of machines, so the flow is held to the bytes of each, and all to a tolerance. */
static void golden_numbers(void) {
    static const float golden[PARAMETERS] = {
        -1.149088144e+00f, 4.177480340e-01f, 8.127981424e-01f, 3.455020189e-01f, 7.262822390e-01f,
        4.088010490e-01f, 6.650314331e-01f, -4.343205392e-01f, 1.394706368e+00f, 4.793495536e-01f,
        2.370567024e-01f, 1.037243247e+00f, -3.176385760e-01f, 3.957082927e-01f, -3.614981472e-02f,
        1.243562102e-01f, -3.327083588e-01f,
    };
    static const uint32_t fused[PARAMETERS] = {
        0xbf931552, 0x3ed5e31d, 0x3f501388, 0x3eb0e5a6, 0x3f39ed9e, 0x3ed14e58, 0x3f2a3f7d, 0xbede5f3b, 0x3fb285bc,
        0x3ef56d4e, 0x3e72bf04, 0x3f84c465, 0xbea2a190, 0x3eca9a43, 0xbd1411dc, 0x3dfeae8c, 0xbeaa58c0,
    };
    static const uint32_t plain[PARAMETERS] = {
        0xbf931554, 0x3ed5e326, 0x3f501389, 0x3eb0e5ac, 0x3f39ed9f, 0x3ed14e52, 0x3f2a3f7e, 0xbede5f38, 0x3fb285bc,
        0x3ef56d4c, 0x3e72bf12, 0x3f84c46a, 0xbea2a1a0, 0x3eca9a40, 0xbd1411fc, 0x3dfeaeaa, 0xbeaa58ca,
    };
    const uint32_t *of_class = fuses() ? fused : plain;
    static const float condition[2] = {2.0f, -1.0f};
    float network[PARAMETERS];
    uint32_t bits[PARAMETERS];
    pdiff_generator *generator = open_fixture("generators/flow.pdiff");
    pdiff_sample_options options;
    size_t i;
    pdiff_init(&options, sizeof options);
    options.seed = UINT64_MAX;
    options.sampler = PDIFF_SAMPLER_HEUN;
    options.first = 5;
    options.condition = condition;
    options.condition_length = 2;
    options.guidance = 1.5f;
    sample_into(generator, &options, network, sizeof network);
    for (i = 0; i < PARAMETERS; i++)
        if (!(fabsf(network[i] - golden[i]) <= 1e-5f * (1.0f + fabsf(golden[i]))))
            fprintf(stderr, "%u: %.9ef\n", (unsigned)i, (double)network[i]);
    for (i = 0; i < PARAMETERS; i++)
        EXPECT(fabsf(network[i] - golden[i]) <= 1e-5f * (1.0f + fabsf(golden[i])));
    memcpy(bits, network, sizeof bits);
    for (i = 0; i < PARAMETERS; i++)
        if (bits[i] != of_class[i])
            fprintf(stderr, "%u: 0x%08x\n", (unsigned)i, (unsigned)bits[i]);
    EXPECT(memcmp(bits, of_class, sizeof bits) == 0);
    pdiff_generator_close(generator);
}

static void any_batch_and_any_threads_give_the_same_bytes(void) {
    float whole[COUNT][PARAMETERS], part[COUNT][PARAMETERS];
    unsigned char unaligned[sizeof whole + 1];
    pdiff_generator *generator = open_fixture("generators/flow.pdiff");
    pdiff_sample_options options;
    uint32_t threads;
    pdiff_init(&options, sizeof options);
    options.seed = 3;
    options.count = COUNT;
    options.threads = 1;
    sample_into(generator, &options, whole, sizeof whole);
    for (threads = 0; threads < 5; threads++) {
        options.threads = threads;
        memset(part, 0, sizeof part);
        sample_into(generator, &options, part, sizeof part);
        EXPECT(memcmp(part, whole, sizeof whole) == 0);
    }
    sample_into(generator, &options, unaligned + 1, sizeof whole);
    EXPECT(memcmp(unaligned + 1, whole, sizeof whole) == 0);
    options.count = 1;
    for (options.first = 0; options.first < COUNT; options.first++) {
        sample_into(generator, &options, part, sizeof part[0]);
        EXPECT(memcmp(part, whole[options.first], sizeof part[0]) == 0);
    }
    /* No options are one network of seed 0. */
    pdiff_init(&options, sizeof options);
    sample_into(generator, NULL, part[0], sizeof part[0]);
    sample_into(generator, &options, part[1], sizeof part[0]);
    EXPECT(memcmp(part[0], part[1], sizeof part[0]) == 0);
    EXPECT(memcmp(part[0], whole[0], sizeof part[0]) != 0);
    pdiff_generator_close(generator);
}

/* Each tensor on its own holds what the flat vector holds; the base is the same in every network. */
static void tensors_hold_the_flat_network(void) {
    float flat[COUNT][PARAMETERS], conv[COUNT][6], var[COUNT][2];
    int64_t tracked[COUNT];
    uint16_t table[COUNT][3];
    double last[COUNT][3];
    pdiff_buffer out[7];
    pdiff_generator *generator = open_fixture("generators/flow.pdiff");
    pdiff_sample_options options;
    size_t i, j;
    pdiff_init(&options, sizeof options);
    options.count = COUNT;
    options.first = 2;
    sample_into(generator, &options, flat, sizeof flat);
    memset(out, 0, sizeof out);
    out[0].data = conv, out[0].bytes = sizeof conv;
    out[1].data = tracked, out[1].bytes = sizeof tracked;
    out[3].data = var, out[3].bytes = sizeof var;
    out[4].data = table, out[4].bytes = sizeof table;
    out[6].data = last, out[6].bytes = sizeof last;
    OK(pdiff_sample_tensors(generator, &options, NULL, out, 7, &error));
    for (i = 0; i < COUNT; i++) {
        EXPECT(memcmp(conv[i], flat[i], sizeof conv[i]) == 0);
        EXPECT(memcmp(var[i], flat[i] + 8, sizeof var[i]) == 0);
        for (j = 0; j < 3; j++)
            EXPECT(last[i][j] == (double)flat[i][14 + j]);
        EXPECT(tracked[i] == 0x0807060504030201);
        EXPECT(table[i][0] == 0x0201 && table[i][2] == 0x0605);
    }
    out[3].bytes--;
    conv[0][0] = 77.0f;
    FAILS(PDIFF_BUFFER_TOO_SMALL, "72 are needed",
          pdiff_sample_tensors(generator, &options, NULL, out, 7, &error));
    EXPECT(conv[0][0] == 77.0f);
    FAILS(PDIFF_INVALID_ARGUMENT, "7 tensors",
          pdiff_sample_tensors(generator, &options, NULL, out, 6, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "out is NULL",
          pdiff_sample_tensors(generator, &options, NULL, NULL, 7, &error));
    pdiff_generator_close(generator);
}

static void files_are_whole_networks(void) {
    pdiff_generator *generator = open_fixture("generators/flow.pdiff");
    pdiff_sample_options options;
    pdiff_snapshot snapshot;
    pdiff_init(&options, sizeof options);
    options.first = 41;
    options.count = 2;
    OK(pdiff_sample_files(generator, &options, NULL, "out", &error));
    EXPECT(exists("out/network-000041.safetensors"));
    EXPECT(exists("out/network-000042.safetensors"));
    OK(pdiff_sample_files(generator, &options, NULL, "out", &error)); /* replaces them */
    /* They are checkpoints like any other. */
    pdiff_init(&snapshot, sizeof snapshot);
    snapshot.file = "out/network-000041.safetensors";
    OK(pdiff_collect("resampled", &snapshot, 1, NULL, &error));
    FAILS(PDIFF_IO, "absent/out",
          pdiff_sample_files(generator, &options, NULL, "absent/out", &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "folder is NULL",
          pdiff_sample_files(generator, &options, NULL, NULL, &error));
    pdiff_generator_close(generator);
}

/* What every function of sampling refuses, with its outputs as they were. */
static void bad_options(void) {
    static const float condition[3] = {1.0f, 2.0f, 3.0f};
    float network[PARAMETERS];
    size_t needed = 99;
    pdiff_cancel *cancel = NULL;
    pdiff_sample_options options;
    pdiff_generator *generator = open_fixture("generators/flow.pdiff");
    struct {
        pdiff_sample_options known;
        uint64_t later;
    } newer;
#define REFUSED(status, text)                                                                     \
    do {                                                                                          \
        network[0] = 77.0f;                                                                       \
        FAILS(status, text,                                                                       \
              pdiff_sample(generator, &options, cancel, network, sizeof network, &needed,         \
                           &error));                                                              \
        EXPECT(network[0] == 77.0f && needed == 99);                                              \
        FAILS(status, text, pdiff_sample_files(generator, &options, cancel, "refused", &error));  \
        EXPECT(!exists("refused"));                                                               \
        pdiff_init(&options, sizeof options);                                                     \
    } while (0)
    pdiff_init(&options, sizeof options);
    options.condition = condition;
    options.condition_length = 3;
    REFUSED(PDIFF_CONDITION, "3 numbers and the generator's has 2");
    options.condition_length = 3;
    REFUSED(PDIFF_INVALID_ARGUMENT, "condition is NULL");
    options.temperature = -1.0f;
    REFUSED(PDIFF_INVALID_ARGUMENT, "temperature -1");
    options.temperature = (float)NAN;
    REFUSED(PDIFF_INVALID_ARGUMENT, "temperature NaN");
    options.guidance = (float)INFINITY;
    REFUSED(PDIFF_INVALID_ARGUMENT, "guidance inf");
    options.sampler = PDIFF_SAMPLER_DDIM;
    REFUSED(PDIFF_INVALID_ARGUMENT, "sampler ddim does not fit this generator's engine; choose ab2, heun or euler");
    options.sampler = 99;
    REFUSED(PDIFF_INVALID_ARGUMENT, "sampler 99");
    options.device = -1;
    REFUSED(PDIFF_INVALID_ARGUMENT, "device -1");
    options.first = UINT64_MAX;
    REFUSED(PDIFF_INVALID_ARGUMENT, "2^64");
    options.struct_size = sizeof options - 1;
    REFUSED(PDIFF_INVALID_ARGUMENT, "pdiff_sample_options.struct_size is 151");
    options.device = PDIFF_DEVICE_CUDA;
    options.device_index = 99;
    REFUSED(PDIFF_DEVICE_UNAVAILABLE, "99");

    options.count = 2;
    FAILS(PDIFF_BUFFER_TOO_SMALL, "68 bytes and 136 are needed",
          pdiff_sample(generator, &options, NULL, network, sizeof network, &needed, &error));
    options.count = UINT64_MAX / 2;
    FAILS(PDIFF_INVALID_ARGUMENT, "too large",
          pdiff_sample(generator, &options, NULL, NULL, 0, &needed, &error));
    options.count = (uint64_t)1 << 56;
    FAILS(PDIFF_OUT_OF_MEMORY, "ask for fewer",
          pdiff_sample(generator, &options, NULL, network, SIZE_MAX, &needed, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "out and needed are NULL",
          pdiff_sample(generator, NULL, NULL, NULL, 0, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "generator is NULL",
          pdiff_sample(NULL, NULL, NULL, network, sizeof network, &needed, &error));
    EXPECT(needed == 99);

    /* Headers of other ages. */
    pdiff_init(&newer, sizeof newer);
    OK(pdiff_sample(generator, &newer.known, NULL, NULL, 0, &needed, &error));
    EXPECT(needed == sizeof network);
    newer.later = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "pdiff_sample_options of 160 bytes",
          pdiff_sample(generator, &newer.known, NULL, NULL, 0, &needed, &error));
    pdiff_init(&options, sizeof options);
    options.struct_size = offsetof(pdiff_sample_options, guidance);
    options.temperature = -1.0f;
    OK(pdiff_sample(generator, &options, NULL, network, sizeof network, &needed, &error));

    pdiff_init(&options, sizeof options);
    needed = 99;
    OK(pdiff_cancel_new(&cancel, &error));
    OK(pdiff_cancel_set(cancel, &error));
    REFUSED(PDIFF_CANCELLED, "cancelled");
    pdiff_cancel_free(cancel);
    pdiff_generator_close(generator);
}

/* The networks that a callback was shown, and the number at which it stops. */
typedef struct seen {
    float networks[COUNT][PARAMETERS];
    uint64_t next, stop;
} seen;

static int32_t keep(void *context, uint64_t number, const float *network, uint64_t parameters) {
    seen *mine = context;
    EXPECT(parameters == PARAMETERS && number == mine->next);
    memcpy(mine->networks[mine->next++], network, sizeof mine->networks[0]);
    return number == mine->stop ? 3 : 0;
}

static void a_callback_sees_the_same_networks_in_order(void) {
    static seen mine;
    float whole[COUNT][PARAMETERS];
    pdiff_generator *generator = open_fixture("generators/flow.pdiff");
    pdiff_sample_options options;
    pdiff_init(&options, sizeof options);
    options.seed = 3;
    options.count = COUNT;
    sample_into(generator, &options, whole, sizeof whole);
    mine.stop = COUNT;
    OK(pdiff_sample_each(generator, &options, NULL, keep, &mine, &error));
    EXPECT(mine.next == COUNT && memcmp(mine.networks, whole, sizeof whole) == 0);
    mine.next = 0;
    mine.stop = 2;
    FAILS(PDIFF_CALLBACK, "network callback returned 3",
          pdiff_sample_each(generator, &options, NULL, keep, &mine, &error));
    EXPECT(mine.next == 3);
    FAILS(PDIFF_INVALID_ARGUMENT, "visit is NULL",
          pdiff_sample_each(generator, &options, NULL, NULL, NULL, &error));
    pdiff_generator_close(generator);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    golden_bytes();
    golden_numbers();
    any_batch_and_any_threads_give_the_same_bytes();
    a_callback_sees_the_same_networks_in_order();
    tensors_hold_the_flat_network();
    files_are_whole_networks();
    bad_options();
    return 0;
}
