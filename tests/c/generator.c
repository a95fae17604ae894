/* Opening a generator, asking it, and files that are none. */
#include "harness.h"

static void what_it_says_of_itself(void) {
    static const char *names[] = {"conv.weight", "bn.num_batches_tracked", "bn.running_mean",
                                  "bn.running_var", "frozen.table", "half.weight", "double.bias"};
    static const int32_t dtypes[] = {PDIFF_DTYPE_F32, PDIFF_DTYPE_I64, PDIFF_DTYPE_F32,
                                     PDIFF_DTYPE_F32, PDIFF_DTYPE_BF16, PDIFF_DTYPE_F16,
                                     PDIFF_DTYPE_F64};
    static const uint64_t offsets[] = {0, 0, 6, 8, 0, 10, 14};
    pdiff_generator *generator = open_fixture("generators/flow.pdiff");
    pdiff_tensor_info info;
    uint64_t parameters = 0;
    size_t i, count = 0, conditions = 0;
    const char *text = NULL;
    int32_t good = 0;
    OK(pdiff_generator_parameters(generator, &parameters, &error));
    OK(pdiff_generator_tensor_count(generator, &count, &error));
    EXPECT(parameters == 17 && count == 7);
    for (i = 0; i < count; i++) {
        pdiff_init(&info, sizeof info);
        OK(pdiff_generator_tensor(generator, i, &info, &error));
        EXPECT(strcmp(info.name, names[i]) == 0);
        EXPECT(info.dtype == dtypes[i] && info.offset == offsets[i]);
        EXPECT(info.generated == (i != 1 && i != 4));
        EXPECT(info.struct_size == sizeof info);
    }
    OK(pdiff_generator_tensor(generator, 0, &info, &error));
    EXPECT(info.rank == 3 && info.shape[0] == 2 && info.shape[1] == 1 && info.shape[2] == 3);
    EXPECT(info.bytes == 24);
    OK(pdiff_generator_condition_count(generator, &conditions, &error));
    EXPECT(conditions == 2);
    OK(pdiff_generator_condition(generator, 1, &text, &error));
    EXPECT(strcmp(text, "load") == 0);
    OK(pdiff_generator_about(generator, &text, &error));
    EXPECT(text[0] == '{' && strstr(text, "\"dispersion\"") != NULL);
    OK(pdiff_generator_is_good(generator, &good, &error));
    EXPECT(good == 1);

    /* Outputs of failures are as they were. */
    text = names[0];
    FAILS(PDIFF_INVALID_ARGUMENT, "index 2 is past the generator's 2 conditions",
          pdiff_generator_condition(generator, 2, &text, &error));
    EXPECT(text == names[0]);
    FAILS(PDIFF_INVALID_ARGUMENT, "7 tensors", pdiff_generator_tensor(generator, 7, &info, &error));
    info.struct_size = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "pdiff_tensor_info.struct_size is 1",
          pdiff_generator_tensor(generator, 0, &info, &error));
    /* An older header's struct gets the fields that it has. */
    pdiff_init(&info, sizeof info);
    info.struct_size = offsetof(pdiff_tensor_info, shape);
    OK(pdiff_generator_tensor(generator, 5, &info, &error));
    EXPECT(strcmp(info.name, "half.weight") == 0 && info.shape == NULL && info.dtype == 0);
    pdiff_generator_close(generator);
    pdiff_generator_close(NULL);
}

static void nulls_are_named(void) {
    pdiff_generator *generator = open_fixture("generators/gaussian.pdiff");
    FAILS(PDIFF_INVALID_ARGUMENT, "path is NULL", pdiff_generator_open(NULL, &generator, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "out is NULL", pdiff_generator_open("x", NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "out is NULL", pdiff_generator_parameters(generator, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "generator is NULL", pdiff_generator_parameters(NULL, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "out is NULL",
          pdiff_generator_tensor_count(generator, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "out is NULL", pdiff_generator_tensor(generator, 0, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "out is NULL",
          pdiff_generator_condition_count(generator, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "out is NULL", pdiff_generator_about(generator, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "out is NULL", pdiff_generator_is_good(generator, NULL, &error));
    pdiff_generator_close(generator);
}

static void files_that_are_no_generator(void) {
    pdiff_generator *untouched = NULL;
    size_t count, at;
    unsigned char *bytes = read_file(fixture("generators/gaussian.pdiff"), &count);
    FAILS(PDIFF_IO, "absent", pdiff_generator_open("absent", &untouched, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "not a file", pdiff_generator_open(".", &untouched, &error));
    for (at = 0; at < count; at++) {
        write_file("cut.pdiff", bytes, at);
        pdiff_init(&error, sizeof error);
        EXPECT(pdiff_generator_open("cut.pdiff", &untouched, &error) != PDIFF_OK);
        EXPECT(untouched == NULL && strstr(error.message, "cut.pdiff") != NULL);
    }
    for (at = 0; at < count; at++) {
        bytes[at] ^= 0x20;
        write_file("flipped.pdiff", bytes, count);
        EXPECT(pdiff_generator_open("flipped.pdiff", &untouched, NULL) == PDIFF_CORRUPT);
        bytes[at] ^= 0x20;
    }
    free(bytes);
    EXPECT(untouched == NULL);
    /* A header that claims an exabyte; a checkpoint; a newer format. */
    write_file("claims.pdiff", "\0\0\0\0\0\0\0\x10{}", 10);
    FAILS(PDIFF_CORRUPT, "claims", pdiff_generator_open("claims.pdiff", &untouched, &error));
    FAILS(PDIFF_CORRUPT, "not one of our files",
          pdiff_generator_open(fixture("checkpoints/dtypes.safetensors"), &untouched, &error));
    FAILS(PDIFF_NEWER_VERSION, "upgrade",
          pdiff_generator_open(fixture("generators/newer.pdiff"), &untouched, &error));
    EXPECT(untouched == NULL);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    what_it_says_of_itself();
    nulls_are_named();
    files_that_are_no_generator();
    return 0;
}
