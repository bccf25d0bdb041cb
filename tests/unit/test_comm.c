/* The comm of one rank, without a launcher. What several ranks rely on is in tests/system/comm_check.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/comm.h"

static tk_comm *comm;

static int open_comm(void **state) {
    (void)state;
    tk_error error = TK_ERROR_NONE;
    return tk_comm_open(&comm, &error) == TK_OK ? 0 : -1;
}

static int close_comm(void **state) {
    (void)state;
    tk_comm_close(comm);
    tk_comm_end("", 0);
    return 0;
}

static void one_rank_is_alone(void **state) {
    (void)state;
    assert_int_equal(tk_comm_rank(comm), 0);
    assert_int_equal(tk_comm_size(comm), 1);
    assert_int_equal(tk_comm_machines(comm), 1);
    assert_int_equal(tk_comm_local_size(comm), 1);
    assert_int_equal(tk_comm_sharers(comm), 1);
    assert_true(strlen(tk_comm_library()) > 0);
}

static void launchers_are_believed(void **state) {
    (void)state;
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
    for (int i = 0; i < 3; i++) unsetenv(names[i]);
    assert_int_equal(tk_comm_launched_size(), 1);
    for (int i = 2; i >= 0; i--) { /* the MPI's own launcher is believed before the step that it runs in */
        char text[8] = {(char)('2' + i), 0};
        setenv(names[i], text, 1);
        assert_int_equal(tk_comm_launched_size(), 2 + i);
    }
    for (int i = 0; i < 3; i++) unsetenv(names[i]);
    setenv("SLURM_STEP_NUM_TASKS", "1", 1); /* srun of a single task */
    assert_int_equal(tk_comm_launched_size(), 1);
    unsetenv("SLURM_STEP_NUM_TASKS");
}

static void claims_count_up(void **state) {
    (void)state;
    double mean = -1, longest = -1;
    assert_true(tk_comm_has_counter(comm));
    for (int64_t i = 0; i < 5; i++) assert_int_equal(tk_comm_claim(comm), i);
    tk_comm_claim_reset(comm);
    assert_int_equal(tk_comm_claim(comm), 0);
    tk_comm_claim_stop(comm);
    assert_true(tk_comm_claim(comm) > 1000000000000);
    assert_true(tk_comm_claim(comm) > 1000000000000);
    tk_comm_claim_reset(comm);
    tk_comm_time_claims(comm, 50, &mean, &longest);
    assert_true(mean > 0 && longest >= mean);
    assert_int_equal(tk_comm_claim(comm), 0);
    tk_comm_claim_reset(comm);
}

static void nothing_waits_and_too_much_is_refused(void **state) {
    (void)state;
    tk_bytes message = {0};
    int from = -1;
    bool got = true;
    for (int i = 0; i < TK_CHANNEL_COUNT; i++) {
        assert_int_equal(tk_comm_poll(comm, (tk_comm_channel)i, &message, &from, &got), TK_OK);
        assert_false(got);
    }
    assert_int_equal(tk_comm_post(comm, 0, TK_CHANNEL_DATA, "", (size_t)INT32_MAX + 1, NULL, NULL), TK_FAILED);
}

static tk_status must_not_be_called(void *user, const tk_bytes *bytes) {
    (void)user, (void)bytes;
    return TK_FAILED;
}

static void collectives_are_one_ranks(void **state) {
    (void)state;
    tk_bytes bytes = {0};
    tk_error none = TK_ERROR_NONE, error = TK_ERROR_NONE;
    assert_int_equal(tk_bytes_append(&bytes, "abc", 4), TK_OK);
    assert_int_equal(tk_comm_broadcast(comm, &bytes), TK_OK);
    assert_string_equal((const char *)bytes.data, "abc");
    assert_int_equal(tk_comm_collect(comm, &bytes, must_not_be_called, NULL), TK_OK);
    tk_bytes_free(&bytes);
    assert_int_equal(tk_comm_agree(comm, &none), TK_OK);
    tk_fail(&error, TK_GIVEN_UP, "mine");
    assert_int_equal(tk_comm_agree(comm, &error), TK_GIVEN_UP);
    assert_string_equal(error.text, "mine");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_rank_is_alone),         cmocka_unit_test(launchers_are_believed),
        cmocka_unit_test(claims_count_up),           cmocka_unit_test(nothing_waits_and_too_much_is_refused),
        cmocka_unit_test(collectives_are_one_ranks),
    };
    return cmocka_run_group_tests(tests, open_comm, close_comm);
}
