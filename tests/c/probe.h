/* A probe for the networks of harness.h, its chain, and the loss on it. */
#ifndef PROBE_H
#define PROBE_H

#include "harness.h"

#include <math.h>

enum { PARAMETERS = 8, EXAMPLES = 6 };

static const char *spec =
    "{\"chain\": {\"input\": [3], \"layers\": [{\"op\": \"linear\", \"weight\": \"fc.weight\", \"bias\": \"fc.bias\"}]}}";
static const float inputs[EXAMPLES][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {-1, 0, 0}, {0, -1, 0}, {0, 0, -1}};
static const int64_t classes[EXAMPLES] = {0, 1, 0, 1, 0, 1};

/* Mean cross-entropy of a network on the probe. */
static inline double loss_of(const float *network) {
    double sum = 0.0;
    size_t i, j, k;
    for (i = 0; i < EXAMPLES; i++) {
        double out[2];
        for (j = 0; j < 2; j++) {
            out[j] = (double)network[6 + j];
            for (k = 0; k < 3; k++)
                out[j] += (double)network[3 * j + k] * (double)inputs[i][k];
        }
        sum += log(exp(out[0]) + exp(out[1])) - out[classes[i]];
    }
    return sum / EXAMPLES;
}

static inline void make_probe(pdiff_probe *probe) {
    pdiff_init(probe, sizeof *probe);
    probe->inputs = inputs[0];
    probe->labels = classes;
    probe->count = EXAMPLES;
    probe->features = 3;
    probe->spec = spec;
}

/* The square of the distance from 1. */
static inline double from_one(const float *network) {
    double sum = 0.0;
    size_t i;
    for (i = 0; i < PARAMETERS; i++)
        sum += pow((double)network[i] - 1.0, 2.0);
    return sum;
}

#endif
