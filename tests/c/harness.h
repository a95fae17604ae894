/* What every C test needs: a check that says where it failed, and a call with its error. */
#ifndef HARNESS_H
#define HARNESS_H

#include <pdiff.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pdiff_error error;

#define EXPECT(condition)                                                                         \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, error.message);   \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

/* A call that succeeds. */
#define OK(call)                                                                                  \
    do {                                                                                          \
        pdiff_init(&error, sizeof error);                                                         \
        EXPECT((call) == PDIFF_OK);                                                               \
        EXPECT(error.code == 0 && error.message[0] == 0);                                         \
    } while (0)

/* A call that fails with a status and a line that holds a text. */
#define FAILS(expected, text, call)                                                               \
    do {                                                                                          \
        int32_t status_;                                                                          \
        pdiff_init(&error, sizeof error);                                                         \
        status_ = (call);                                                                         \
        if (status_ != (expected))                                                                \
            fprintf(stderr, "%s instead of %s\n", pdiff_status_name(status_), #expected);         \
        EXPECT(status_ == (expected));                                                            \
        EXPECT(error.code == (expected));                                                         \
        EXPECT(strstr(error.message, (text)) != NULL);                                            \
        EXPECT(strchr(error.message, '\n') == NULL);                                              \
    } while (0)

/* The arguments: the folder of the fixtures, and whether this build trains. */
static const char *fixtures = "";
static int trains = 0;

static inline void begin(int argc, char **argv) {
    EXPECT(argc == 3);
    fixtures = argv[1];
    trains = strcmp(argv[2], "torch") == 0;
}

static inline const char *fixture(const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", fixtures, name);
    return path;
}

static inline pdiff_generator *open_fixture(const char *name) {
    pdiff_generator *generator = NULL;
    OK(pdiff_generator_open(fixture(name), &generator, &error));
    return generator;
}

static inline void write_file(const char *path, const void *bytes, size_t count) {
    FILE *file = fopen(path, "wb");
    EXPECT(file != NULL);
    EXPECT(fwrite(bytes, 1, count, file) == count);
    EXPECT(fclose(file) == 0);
}

/* A file's bytes, which the caller frees. */
static inline unsigned char *read_file(const char *path, size_t *count) {
    FILE *file = fopen(path, "rb");
    unsigned char *bytes;
    long length;
    EXPECT(file != NULL);
    EXPECT(fseek(file, 0, SEEK_END) == 0);
    length = ftell(file);
    EXPECT(length >= 0 && fseek(file, 0, SEEK_SET) == 0);
    bytes = malloc((size_t)length + 1);
    EXPECT(bytes != NULL && fread(bytes, 1, (size_t)length, file) == (size_t)length);
    EXPECT(fclose(file) == 0);
    *count = (size_t)length;
    return bytes;
}

static inline int exists(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file != NULL)
        fclose(file);
    return file != NULL;
}

/* A network of six weights and two biases, and a snapshot that holds it. */
typedef struct network {
    float weight[6];
    float bias[2];
    pdiff_tensor tensors[2];
    pdiff_snapshot snapshot;
} network;

static const int64_t weight_shape[] = {2, 3};
static const int64_t bias_shape[] = {2};

static inline void make_network(network *made, int step) {
    size_t i;
    for (i = 0; i < 6; i++)
        made->weight[i] = (float)(0.1 * (double)i + 0.01 * step * (i % 2 ? 1.0 : -1.0));
    for (i = 0; i < 2; i++)
        made->bias[i] = (float)(0.5 - 0.03 * ((step * 7 + (int)i * 3) % 11));
    for (i = 0; i < 2; i++) {
        pdiff_init(&made->tensors[i], sizeof made->tensors[i]);
        made->tensors[i].name = i ? "fc.bias" : "fc.weight";
        made->tensors[i].data = i ? (void *)made->bias : (void *)made->weight;
        made->tensors[i].shape = i ? bias_shape : weight_shape;
        made->tensors[i].rank = i ? 1 : 2;
        made->tensors[i].dtype = PDIFF_DTYPE_F32;
    }
    pdiff_init(&made->snapshot, sizeof made->snapshot);
    made->snapshot.tensors = made->tensors;
    made->snapshot.tensor_count = 2;
}

/* Collects `count` snapshots of that network, one call each. */
static inline void collect_networks(const char *collection, int count) {
    int step;
    for (step = 0; step < count; step++) {
        network one;
        make_network(&one, step);
        OK(pdiff_collect(collection, &one.snapshot, 1, NULL, &error));
    }
}

#endif
