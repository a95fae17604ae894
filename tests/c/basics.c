/* Version, status names, struct sizes, cancel tokens. */
#include "harness.h"

static void texts(void) {
    EXPECT(strchr(pdiff_version(), '.') != NULL);
    EXPECT(strcmp(pdiff_status_name(PDIFF_OK), "PDIFF_OK") == 0);
    EXPECT(strcmp(pdiff_status_name(PDIFF_INTERNAL), "PDIFF_INTERNAL") == 0);
    EXPECT(strcmp(pdiff_status_name(-1), "unknown status") == 0);
}

static void structs_are_made_ready(void) {
    pdiff_sample_options options;
    memset(&options, 0xff, sizeof options);
    EXPECT(pdiff_init(&options, sizeof options) == PDIFF_OK);
    EXPECT(options.struct_size == sizeof options);
    EXPECT(options.count == 0 && options.condition == NULL && options.steps == 0);
    EXPECT(pdiff_init(NULL, sizeof options) == PDIFF_INVALID_ARGUMENT);
    EXPECT(pdiff_init(&options, sizeof(size_t) - 1) == PDIFF_INVALID_ARGUMENT);
}

/* An error struct that was never made ready is not written to. */
static void an_error_without_a_size_is_refused(void) {
    pdiff_error wrong;
    memset(&wrong, 0, sizeof wrong);
    EXPECT(pdiff_cancel_set(NULL, &wrong) == PDIFF_INVALID_ARGUMENT);
    EXPECT(wrong.code == 0 && wrong.message[0] == 0);
    wrong.struct_size = sizeof wrong - 8;
    EXPECT(pdiff_cancel_set(NULL, &wrong) == PDIFF_INVALID_ARGUMENT);
    EXPECT(wrong.code == 0);
}

static void an_error_of_a_newer_header_is_written_as_far_as_it_is_known(void) {
    struct {
        pdiff_error known;
        uint64_t later;
    } newer;
    memset(&newer, 0, sizeof newer);
    newer.known.struct_size = sizeof newer;
    newer.later = 7;
    EXPECT(pdiff_cancel_set(NULL, &newer.known) == PDIFF_INVALID_ARGUMENT);
    EXPECT(newer.known.code == PDIFF_INVALID_ARGUMENT && newer.later == 7);
    EXPECT(newer.known.struct_size == sizeof newer);
}

static void cancel_tokens(void) {
    pdiff_cancel *cancel = NULL;
    OK(pdiff_cancel_new(&cancel, &error));
    OK(pdiff_cancel_set(cancel, &error));
    OK(pdiff_cancel_set(cancel, NULL));
    pdiff_cancel_free(cancel);
    pdiff_cancel_free(NULL);
    FAILS(PDIFF_INVALID_ARGUMENT, "out is NULL", pdiff_cancel_new(NULL, &error));
    FAILS(PDIFF_INVALID_ARGUMENT, "cancel is NULL", pdiff_cancel_set(NULL, &error));
    EXPECT(pdiff_cancel_set(NULL, NULL) == PDIFF_INVALID_ARGUMENT);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    texts();
    structs_are_made_ready();
    an_error_without_a_size_is_refused();
    an_error_of_a_newer_header_is_written_as_far_as_it_is_known();
    cancel_tokens();
    return 0;
}
