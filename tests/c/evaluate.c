/* Judging a generator with a callback of the host's. */
#include "harness.h"
#include <math.h>

/* What the callback is told to do, and what it saw. */
typedef struct judge {
    int64_t predictions[3];
    int calls;
    int ends_at;     /* the call that returns 1; 0: none */
    int not_finite;  /* the call whose score is NaN; 0: none */
    int mute;        /* the call without predictions; 0: none */
} judge;

static const int64_t labels[] = {0, 1, 1};

/* A network is worth minus its distance from a line of biases, and sorts three points by its bias. */
static int32_t score(void *context, const float *network, uint64_t parameters, pdiff_score *score) {
    judge *mine = context;
    int i;
    EXPECT(parameters == 8);
    EXPECT(score->struct_size == sizeof *score);
    EXPECT(score->predictions == NULL && score->labels == NULL && score->has_selection == 0);
    mine->calls++;
    if (mine->calls == mine->ends_at)
        return 7;
    for (i = 0; i < 3; i++)
        mine->predictions[i] = network[6] > 0.2f + 0.1f * (float)i;
    score->score = mine->calls == mine->not_finite ? NAN : -fabs((double)network[6] - 0.4);
    score->selection_score = score->score + 1.0;
    score->has_selection = 1;
    if (mine->calls == mine->mute)
        return 0;
    score->predictions = mine->predictions;
    score->prediction_count = 3;
    if (mine->calls == 1) {
        score->labels = labels;
        score->label_count = 3;
    }
    return 0;
}

static int32_t count_steps(void *context, const pdiff_progress *progress) {
    uint64_t *last = context;
    EXPECT(strcmp(progress->phase, "evaluate") == 0);
    EXPECT(progress->step == *last + 1 && progress->step <= progress->total);
    EXPECT(progress->rate > 0.0 && progress->seconds_left >= 0.0);
    *last = progress->step;
    return 0;
}

static int32_t stop(void *context, const pdiff_progress *progress) {
    (void)context;
    return progress->step == 3;
}

static char *text_of(const char *path) {
    size_t count;
    unsigned char *bytes = read_file(path, &count);
    bytes[count] = 0;
    return (char *)bytes;
}

int main(int argc, char **argv) {
    static const char *baselines[] = {"soup", "Gaussian"};
    static const char *unknown[] = {"sooup"};
    pdiff_generator *generator, *other;
    pdiff_evaluate_options options;
    pdiff_sample_options samples;
    pdiff_cancel *cancel = NULL;
    judge mine = {{0, 0, 0}, 0, 0, 0, 0};
    uint64_t steps = 0;
    char *first, *again;
    int whole;
    begin(argc, argv);
    generator = open_fixture("generators/gaussian.pdiff");
    collect_networks("zoo", 24);
    pdiff_init(&options, sizeof options);
    pdiff_init(&samples, sizeof samples);
    samples.count = 12;
    samples.seed = 3;
    options.sample = &samples;
    options.baselines = baselines;
    options.baselines_length = 2;
    options.progress = count_steps;
    options.progress_context = &steps;
    OK(pdiff_evaluate(generator, "zoo", "first.json", score, &mine, &options, NULL, &error));
    whole = mine.calls;
    EXPECT(steps == (uint64_t)whole && whole > 24 + 12);
    first = text_of("first.json");
    EXPECT(strstr(first, "\"pdiff-evaluation\"") != NULL);
    EXPECT(strstr(first, "\"samples\"") != NULL && strstr(first, "\"soup of 2\"") != NULL);
    EXPECT(strstr(first, "\"overlap\": null") != NULL && strstr(first, "\"overlap\": 0.") != NULL);

    /* The same call gives the same file. */
    memset(&mine, 0, sizeof mine);
    steps = 0;
    OK(pdiff_evaluate(generator, "zoo", "again.json", score, &mine, &options, NULL, &error));
    again = text_of("again.json");
    EXPECT(mine.calls == whole && strcmp(first, again) == 0);
    free(again);

    /* Of candidates the best are judged, of baselines as of samples. */
    samples.candidates = 3;
    memset(&mine, 0, sizeof mine);
    steps = 0;
    OK(pdiff_evaluate(generator, "zoo", "chosen.json", score, &mine, &options, NULL, &error));
    EXPECT(steps == (uint64_t)mine.calls && mine.calls > 2 * whole);
    again = text_of("chosen.json");
    EXPECT(strstr(again, "best of 3 candidates by the selection score") != NULL);
    free(again);
    samples.score = score;
    FAILS(PDIFF_INVALID_ARGUMENT, "has a score or a probe",
          pdiff_evaluate(generator, "zoo", "first.json", score, &mine, &options, NULL, &error));
    samples.score = NULL;
    samples.candidates = 0;
    samples.polish_steps = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "asks for a polish",
          pdiff_evaluate(generator, "zoo", "first.json", score, &mine, &options, NULL, &error));
    samples.polish_steps = 0;

    /* What fails leaves the file as it was. */
    options.progress = stop;
    memset(&mine, 0, sizeof mine);
    FAILS(PDIFF_CALLBACK, "progress callback returned 1",
          pdiff_evaluate(generator, "zoo", "first.json", score, &mine, &options, NULL, &error));
    options.progress = NULL;
    memset(&mine, 0, sizeof mine);
    mine.ends_at = 30;
    FAILS(PDIFF_CALLBACK, "score callback returned 7",
          pdiff_evaluate(generator, "zoo", "first.json", score, &mine, &options, NULL, &error));
    EXPECT(mine.calls == 30);
    memset(&mine, 0, sizeof mine);
    mine.not_finite = 2;
    FAILS(PDIFF_CALLBACK, "zoo 1: its score is NaN",
          pdiff_evaluate(generator, "zoo", "first.json", score, &mine, &options, NULL, &error));
    memset(&mine, 0, sizeof mine);
    mine.mute = 5;
    FAILS(PDIFF_CALLBACK, "zoo 4: it has other fields",
          pdiff_evaluate(generator, "zoo", "first.json", score, &mine, &options, NULL, &error));
    memset(&mine, 0, sizeof mine);
    OK(pdiff_cancel_new(&cancel, &error));
    OK(pdiff_cancel_set(cancel, &error));
    FAILS(PDIFF_CANCELLED, "cancel",
          pdiff_evaluate(generator, "zoo", "first.json", score, &mine, &options, cancel, &error));
    pdiff_cancel_free(cancel);
    FAILS(PDIFF_INVALID_ARGUMENT, "score is NULL",
          pdiff_evaluate(generator, "zoo", "first.json", NULL, NULL, &options, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "generator is NULL",
          pdiff_evaluate(NULL, "zoo", "first.json", score, &mine, &options, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "evaluation is NULL",
          pdiff_evaluate(generator, "zoo", NULL, score, &mine, &options, NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "absent: not a collection",
          pdiff_evaluate(generator, "absent", "first.json", score, &mine, &options, NULL, &error));
    options.baselines = unknown;
    options.baselines_length = 1;
    FAILS(PDIFF_INVALID_ARGUMENT, "no baseline begins with \"sooup\"",
          pdiff_evaluate(generator, "zoo", "first.json", score, &mine, &options, NULL, &error));
    options.struct_size = 3;
    FAILS(PDIFF_INVALID_ARGUMENT, "pdiff_evaluate_options.struct_size is 3",
          pdiff_evaluate(generator, "zoo", "first.json", score, &mine, &options, NULL, &error));
    other = open_fixture("generators/flow.pdiff");
    FAILS(PDIFF_MISMATCH, "name the collection that it was trained on",
          pdiff_evaluate(other, "zoo", "first.json", score, &mine, NULL, NULL, &error));
    again = text_of("first.json");
    EXPECT(strcmp(first, again) == 0);
    free(first);
    free(again);
    pdiff_generator_close(other);
    pdiff_generator_close(generator);
    return 0;
}
