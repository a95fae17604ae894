/* The best of several candidates: which one, by what, and what is refused. */
#include "harness.h"

#include <math.h>

enum { PARAMETERS = 8, COUNT = 3, CANDIDATES = 5 };

static const char *spec =
    "{\"chain\": {\"input\": [3], \"layers\": [{\"op\": \"linear\", \"weight\": \"fc.weight\", \"bias\": \"fc.bias\"}]}}";
static const float inputs[2][3] = {{1, 0, 0}, {0, 1, 0}};
static const int64_t classes[2] = {0, 1};

/* What the callback is told to do, and what it saw. */
typedef struct judge {
    float seen[COUNT * CANDIDATES][PARAMETERS];
    int calls;
    int ends_at, not_finite, mixed, cancels_at; /* a call, from 1; 0: none */
    int by_selection;
    pdiff_cancel *cancel;
} judge;

static int32_t score(void *context, const float *network, uint64_t parameters, pdiff_score *score) {
    judge *mine = context;
    EXPECT(parameters == PARAMETERS && mine->calls < COUNT * CANDIDATES);
    memcpy(mine->seen[mine->calls], network, sizeof mine->seen[0]);
    mine->calls++;
    if (mine->calls == mine->ends_at)
        return 7;
    if (mine->calls == mine->cancels_at)
        OK(pdiff_cancel_set(mine->cancel, &error));
    score->score = mine->calls == mine->not_finite ? NAN : (double)network[0];
    if (mine->by_selection != (mine->calls == mine->mixed)) {
        score->has_selection = 1;
        score->selection_score = -(double)network[0];
    }
    return 0;
}

/* Of candidates, the one whose first number is largest, times sign. */
static const float *best(float (*candidates)[PARAMETERS], float sign) {
    const float *found = candidates[0];
    int i;
    for (i = 1; i < CANDIDATES; i++)
        if (sign * candidates[i][0] > sign * found[0])
            found = candidates[i];
    return found;
}

static double loss_of(const float *network) {
    double sum = 0.0;
    int i;
    for (i = 0; i < 2; i++) {
        double first = (double)network[i] + (double)network[6], second = (double)network[3 + i] + (double)network[7];
        sum += log(exp(first) + exp(second)) - (i ? second : first);
    }
    return sum;
}

int main(int argc, char **argv) {
    static judge mine;
    float all[4 + COUNT][CANDIDATES][PARAMETERS], chosen[COUNT][PARAMETERS], alone[PARAMETERS], kept[COUNT][PARAMETERS];
    pdiff_generator *generator;
    pdiff_sample_options options;
    pdiff_evaluate_options evaluation;
    pdiff_probe probe;
    int i, j;
    begin(argc, argv);
    generator = open_fixture("generators/gaussian.pdiff");
    pdiff_init(&options, sizeof options);
    options.seed = 9;
    options.count = (4 + COUNT) * CANDIDATES;
    OK(pdiff_sample(generator, &options, NULL, all, sizeof all, NULL, &error));

    /* Network i is the best of samples 5 i to 5 i + 4, which the callback sees once each, in order. */
    options.count = COUNT;
    options.first = 4;
    options.candidates = CANDIDATES;
    options.score = score;
    options.score_context = &mine;
    OK(pdiff_sample(generator, &options, NULL, chosen, sizeof chosen, NULL, &error));
    EXPECT(mine.calls == COUNT * CANDIDATES && memcmp(mine.seen, all[4], sizeof mine.seen) == 0);
    for (i = 0; i < COUNT; i++)
        EXPECT(memcmp(chosen[i], best(all[4 + i], 1.0f), sizeof chosen[i]) == 0);
    mine.calls = 0;
    options.count = 1;
    options.first = 5;
    OK(pdiff_sample(generator, &options, NULL, alone, sizeof alone, NULL, &error));
    EXPECT(mine.calls == CANDIDATES && memcmp(alone, chosen[1], sizeof alone) == 0);
    mine.calls = 0;
    mine.by_selection = 1;
    OK(pdiff_sample(generator, &options, NULL, alone, sizeof alone, NULL, &error));
    EXPECT(memcmp(alone, best(all[5], -1.0f), sizeof alone) == 0);

    /* Without a callback by the probe; and the chosen one is polished. */
    pdiff_init(&probe, sizeof probe);
    probe.inputs = inputs[0];
    probe.labels = classes;
    probe.count = 2;
    probe.features = 3;
    probe.spec = spec;
    options.score = NULL;
    options.probe = &probe;
    OK(pdiff_sample(generator, &options, NULL, alone, sizeof alone, NULL, &error));
    for (j = 0; j < CANDIDATES; j++)
        EXPECT(loss_of(alone) <= loss_of(all[5][j]));
    for (j = 0; j < CANDIDATES && memcmp(alone, all[5][j], sizeof alone) != 0; j++)
        ;
    EXPECT(j < CANDIDATES);
    memcpy(kept[0], alone, sizeof alone);
    options.polish_steps = 10;
    OK(pdiff_sample(generator, &options, NULL, alone, sizeof alone, NULL, &error));
    EXPECT(loss_of(alone) < loss_of(kept[0]));
    options.polish_steps = 0;

    /* Whatever goes wrong, what was there stays there. */
    options.count = COUNT;
    options.score = score;
    memset(kept, 7, sizeof kept);
    memcpy(chosen, kept, sizeof kept);
#define ENDS(status, text, field)                                                                 \
    do {                                                                                          \
        memset(&mine, 0, sizeof mine);                                                            \
        mine.field = 8;                                                                           \
        OK(pdiff_cancel_new(&mine.cancel, &error));                                               \
        FAILS(status, text,                                                                       \
              pdiff_sample(generator, &options, mine.cancel, kept, sizeof kept, NULL, &error));   \
        EXPECT(mine.calls == 8 && memcmp(kept, chosen, sizeof kept) == 0);                        \
        mine.calls = 0;                                                                           \
        FAILS(status, text, pdiff_sample_files(generator, &options, mine.cancel, "no", &error));  \
        EXPECT(!exists("no"));                                                                    \
        pdiff_cancel_free(mine.cancel);                                                           \
    } while (0)
    ENDS(PDIFF_CALLBACK, "the score callback returned 7", ends_at);
    ENDS(PDIFF_CALLBACK, "sample 32: its score is NaN", not_finite);
    ENDS(PDIFF_CALLBACK, "sample 32: some networks have a selection score and some have none", mixed);
    ENDS(PDIFF_CANCELLED, "cancelled", cancels_at);
    pdiff_init(&evaluation, sizeof evaluation);
    evaluation.sample = &options;
    collect_networks("zoo", 2);
    FAILS(PDIFF_INVALID_ARGUMENT, "has a score or a probe",
          pdiff_evaluate(generator, "zoo", "none.json", score, &mine, &evaluation, NULL, &error));
    options.candidates = UINT64_MAX / 4;
    FAILS(PDIFF_INVALID_ARGUMENT, "ask for 1 or more, and for fewer in all",
          pdiff_sample(generator, &options, NULL, kept, sizeof kept, NULL, &error));
    options.candidates = 2;
    options.first = UINT64_MAX / 2;
    FAILS(PDIFF_INVALID_ARGUMENT, "2^64",
          pdiff_sample(generator, &options, NULL, kept, sizeof kept, NULL, &error));
    options.score = NULL;
    options.probe = NULL;
    FAILS(PDIFF_INVALID_ARGUMENT, "candidates is 2 with neither score nor probe",
          pdiff_sample(generator, &options, NULL, kept, sizeof kept, NULL, &error));
    options.candidates = 0;
    options.score = score;
    FAILS(PDIFF_INVALID_ARGUMENT, "score is given and candidates is 0",
          pdiff_sample(generator, &options, NULL, kept, sizeof kept, NULL, &error));
    EXPECT(memcmp(kept, chosen, sizeof kept) == 0);
    pdiff_generator_close(generator);
    return 0;
}
