/* Eight generated networks vote on ten images: vote GENERATOR IMAGES */
#include <pdiff.h>
#include <stdio.h>
#include <stdlib.h>

enum { NETWORKS = 8, IMAGES = 10, PIXELS = 49, HIDDEN = 16, CLASSES = 10 };

/* A product of two float32 is exact in double, so every compiler and machine gets the same sums. */
static double dot(const float *a, const float *b, int length, double sum) {
    for (int i = 0; i < length; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* fc1.weight [16, 49], fc1.bias [16], fc2.weight [10, 16], fc2.bias [10], ReLU between them. */
static int class_of(const float *network, const float *image) {
    const float *bias1 = network + HIDDEN * PIXELS, *weight2 = bias1 + HIDDEN, *bias2 = weight2 + CLASSES * HIDDEN;
    float hidden[HIDDEN];
    double best = 0;
    int class = 0;
    for (int h = 0; h < HIDDEN; h++) {
        double sum = dot(network + h * PIXELS, image, PIXELS, (double)bias1[h]);
        hidden[h] = sum > 0 ? (float)sum : 0.0f;
    }
    for (int c = 0; c < CLASSES; c++) {
        double logit = dot(weight2 + c * HIDDEN, hidden, HIDDEN, (double)bias2[c]);
        if (c == 0 || logit > best) best = logit, class = c;
    }
    return class;
}

static void vote(const float *networks, size_t parameters, float images[IMAGES][PIXELS]) {
    int others = 0;
    for (int i = 0; i < IMAGES; i++) {
        int votes[CLASSES] = {0}, winner = 0;
        for (size_t n = 0; n < NETWORKS; n++) votes[class_of(networks + n * parameters, images[i])]++;
        for (int c = 1; c < CLASSES; c++)
            if (votes[c] > votes[winner]) winner = c;
        printf("image %d: class %d, %d of %d networks disagree\n", i, winner, NETWORKS - votes[winner], NETWORKS);
        others += NETWORKS - votes[winner];
    }
    printf("disagreement: %d of %d votes\n", others, NETWORKS * IMAGES);
}

int main(int count, char **arguments) {
    static float images[IMAGES][PIXELS];
    pdiff_generator *generator = NULL;
    pdiff_error error;
    pdiff_sample_options options;
    size_t bytes = 0;
    float *networks = NULL;
    FILE *file = count == 3 ? fopen(arguments[2], "rb") : NULL;
    if (file == NULL || fread(images, sizeof images, 1, file) != 1)
        return fprintf(stderr, "vote: give a generator and a file of %d images\n", IMAGES), 1;
    fclose(file);

    pdiff_init(&error, sizeof error);
    pdiff_init(&options, sizeof options);
    options.count = NETWORKS;
    options.seed = 1;
    int32_t status = pdiff_generator_open(arguments[1], &generator, &error);
    if (!status) status = pdiff_sample(generator, &options, NULL, NULL, 0, &bytes, &error);
    if (!status) networks = malloc(bytes);
    if (!status) status = pdiff_sample(generator, &options, NULL, networks, bytes, &bytes, &error);
    if (status)
        fprintf(stderr, "vote: %s\n", error.message);
    else
        vote(networks, bytes / sizeof(float) / NETWORKS, images);
    free(networks);
    pdiff_generator_close(generator);
    return status;
}
