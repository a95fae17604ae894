/* Networks as DLPack tensors. */
#include "dlpack.h"
#include "harness.h"

int main(int argc, char **argv) {
    static const DLDataType dtypes[] = {{2, 32, 1}, {0, 64, 1}, {2, 32, 1}, {2, 32, 1},
                                        {4, 16, 1}, {2, 16, 1}, {2, 64, 1}};
    float flat[3][17];
    DLManagedTensor *tensors[7] = {NULL};
    pdiff_sample_options options;
    pdiff_generator *generator;
    size_t needed, i;
    begin(argc, argv);
    generator = open_fixture("generators/flow.pdiff");
    pdiff_init(&options, sizeof options);
    options.count = 3;
    FAILS(PDIFF_INVALID_ARGUMENT, "7 tensors",
          pdiff_sample_dlpack(generator, &options, NULL, tensors, 3, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "out is NULL",
          pdiff_sample_dlpack(generator, &options, NULL, NULL, 7, &error));
    options.steps = 1;
    options.temperature = -1.0f;
    FAILS(PDIFF_INVALID_ARGUMENT, "temperature",
          pdiff_sample_dlpack(generator, &options, NULL, tensors, 7, &error));
    EXPECT(tensors[0] == NULL);
    options.steps = 0;
    options.temperature = 0.0f;
    OK(pdiff_sample(generator, &options, NULL, flat, sizeof flat, &needed, &error));
    OK(pdiff_sample_dlpack(generator, &options, NULL, tensors, 7, &error));
    pdiff_generator_close(generator); /* the tensors outlive it */

    for (i = 0; i < 7; i++) {
        const DLTensor *tensor = &tensors[i]->dl_tensor;
        EXPECT(tensor->device.device_type == 1 && tensor->byte_offset == 0);
        EXPECT(memcmp(&tensor->dtype, &dtypes[i], sizeof dtypes[i]) == 0);
        EXPECT((uintptr_t)tensor->data % 256 == 0 && tensor->shape[0] == 3);
    }
    {
        const DLTensor *conv = &tensors[0]->dl_tensor, *base = &tensors[1]->dl_tensor;
        const DLTensor *table = &tensors[4]->dl_tensor;
        const float *values = conv->data;
        EXPECT(conv->ndim == 4);
        EXPECT(conv->shape[1] == 2 && conv->shape[2] == 1 && conv->shape[3] == 3);
        EXPECT(conv->strides[0] == 6 && conv->strides[1] == 3 && conv->strides[2] == 3);
        EXPECT(conv->strides[3] == 1);
        EXPECT(values[2 * 6 + 1 * 3 + 2] == flat[2][5]);
        EXPECT(base->ndim == 1 && base->strides[0] == 0);
        EXPECT(*(const int64_t *)base->data == 0x0807060504030201);
        EXPECT(table->ndim == 2 && table->strides[0] == 0 && table->strides[1] == 1);
    }
    /* One by one, in any order; the others stay. */
    for (i = 7; i-- > 0;) {
        const float *first = tensors[0]->dl_tensor.data;
        EXPECT(first[0] == flat[0][0]);
        tensors[i]->deleter(tensors[i]);
    }
    return 0;
}
