/* Memory limits: Slurm's variables, control groups of both versions, the shell's. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/plan.h"
#include "engine/planning/limits.h"

static const int64_t MIB = 1 << 20;

static void unset_slurm(void) {
    unsetenv("SLURM_MEM_PER_CPU");
    unsetenv("SLURM_MEM_PER_NODE");
    unsetenv("SLURM_CPUS_PER_TASK");
}

static void expect(int ranks, int64_t bytes, const char *source) {
    const char *found = NULL;
    assert_int_equal(tk_memory_limit(ranks, &found), bytes);
    assert_string_equal(found, source);
}

static void test_never_above_the_default(void **unused) {
    (void)unused;
    unset_slurm();
    assert_true(tk_memory_limit(1, NULL) <= TK_DEFAULT_MEMORY);
    setenv("SLURM_MEM_PER_CPU", "100000", 1);
    assert_true(tk_memory_limit(1, NULL) <= TK_DEFAULT_MEMORY);
    unset_slurm();
}

static void test_slurm(void **unused) {
    (void)unused;
    unset_slurm();
    setenv("SLURM_MEM_PER_CPU", "100", 1);
    expect(1, 96 * MIB, "Slurm's --mem-per-cpu"); /* one part in 25 stays free */
    setenv("SLURM_CPUS_PER_TASK", "3", 1);
    expect(7, 288 * MIB, "Slurm's --mem-per-cpu"); /* of each task, however many there are */
    unset_slurm();
    setenv("SLURM_MEM_PER_NODE", "800", 1);
    expect(4, 192 * MIB, "Slurm's --mem");
    expect(1, 768 * MIB, "Slurm's --mem");
    unset_slurm();
}

static void test_slurm_without_a_number(void **unused) {
    (void)unused;
    unset_slurm();
    const int64_t without = tk_memory_limit(1, NULL);
    static const char *const nothing[] = {"0", "", "-5", "1G", "99999999999999999999"};
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
        setenv("SLURM_MEM_PER_NODE", nothing[i], 1);
        setenv("SLURM_MEM_PER_CPU", nothing[i], 1);
        assert_int_equal(tk_memory_limit(1, NULL), without);
    }
    unset_slurm();
}

/* A made-up tree of groups in a folder of its own. */
typedef struct tree {
    char folder[64], membership[128];
} tree;

static void put(const tree *t, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", t->folder, name);
    for (char *slash = path + strlen(t->folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static tree make_tree(const char *membership) {
    tree t = {.folder = "/tmp/tarkka-limits-XXXXXX"};
    assert_non_null(mkdtemp(t.folder));
    put(&t, "membership", membership);
    snprintf(t.membership, sizeof t.membership, "%s/membership", t.folder);
    return t;
}

static void remove_tree(const tree *t) {
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", t->folder);
    assert_int_equal(system(command), 0);
}

static void test_version_2(void **unused) {
    (void)unused;
    const tree t = make_tree("0::/slurm/job_7/step_0\n");
    put(&t, "slurm/memory.max", "8000000000\n");
    put(&t, "slurm/job_7/memory.max", "3000000000\n");
    put(&t, "slurm/job_7/step_0/memory.max", "max\n");
    assert_int_equal(tk_cgroup_limit(t.membership, t.folder), 3000000000);
    put(&t, "slurm/job_7/step_0/memory.max", "2000000000\n");
    assert_int_equal(tk_cgroup_limit(t.membership, t.folder), 2000000000);
    remove_tree(&t);
}

static void test_version_1(void **unused) {
    (void)unused;
    const tree t = make_tree("4:cpu,cpuacct:/a\n3:hugetlb,memory:/job/step\n0::/\n");
    put(&t, "memory/memory.limit_in_bytes", "9223372036854771712\n");
    put(&t, "memory/job/step/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(tk_cgroup_limit(t.membership, t.folder), INT64_MAX);
    put(&t, "memory/job/memory.limit_in_bytes", "700000000\n");
    assert_int_equal(tk_cgroup_limit(t.membership, t.folder), 700000000);
    remove_tree(&t);
}

/* In a container the path is the host's; only the mount itself is seen. */
static void test_a_container(void **unused) {
    (void)unused;
    const tree t = make_tree("3:memory:/docker/0123\n");
    put(&t, "memory/memory.limit_in_bytes", "500000000\n");
    assert_int_equal(tk_cgroup_limit(t.membership, t.folder), 500000000);
    remove_tree(&t);
}

static void test_no_groups(void **unused) {
    (void)unused;
    assert_int_equal(tk_cgroup_limit("/nonexistent", "/nonexistent"), INT64_MAX);
    const tree t = make_tree("nonsense\n5:memoryx:/a\n");
    assert_int_equal(tk_cgroup_limit(t.membership, t.folder), INT64_MAX);
    remove_tree(&t);
}

static void test_the_shell(void **unused) {
    (void)unused;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* the sanitizer's own memory does not fit into such a limit */
#endif
    unset_slurm();
    struct rlimit before, low;
    assert_int_equal(getrlimit(RLIMIT_DATA, &before), 0);
    low = (struct rlimit){1 << 30, before.rlim_max};
    const int64_t without = tk_memory_limit(1, NULL);
    assert_int_equal(setrlimit(RLIMIT_DATA, &low), 0);
    const char *source = NULL;
    const int64_t with = tk_memory_limit(1, &source);
    assert_int_equal(setrlimit(RLIMIT_DATA, &before), 0);
    assert_true(with < without && with < 1 << 30);
    assert_string_equal(source, "ulimit -d");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_above_the_default),
        cmocka_unit_test(test_slurm),
        cmocka_unit_test(test_slurm_without_a_number),
        cmocka_unit_test(test_version_2),
        cmocka_unit_test(test_version_1),
        cmocka_unit_test(test_a_container),
        cmocka_unit_test(test_no_groups),
        cmocka_unit_test(test_the_shell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
