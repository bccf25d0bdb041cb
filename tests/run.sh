#!/bin/bash
# Installs what is missing, builds tarkka in every way that it must build in, and runs all tests. No arguments needed.
#   tests/run.sh             everything (about 45 minutes on two cores)
#   tests/run.sh release     one build only: release, clang, asan-ubsan, poison, mpich, or lint
#   tests/run.sh long        kills at 60 moments, full disks at every call (beside everything: half an hour more)
# Tests on real images look for them in TARKKA_TEST_DATA (default: ../shared/data, where that exists); without them they
# are skipped, loudly.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8
# A cache of FFT plans that lasts for this checkout, so that runs share their plans.
export TARKKA_CACHE="$PWD/build/cache"
if [ -z "${TARKKA_TEST_DATA:-}" ] && [ -d ../shared/data ]; then export TARKKA_TEST_DATA="$PWD/../shared/data"; fi

headline() { printf '\n=== %s (after %d s)\n' "$1" "$SECONDS"; }

# Needs the headers that the release build makes.
lint() {
    git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror
    git ls-files 'kernels/*.c' 'io/*.c' 'engine/*.c' 'workflows/*.c' 'slurm/*.c' | grep -v '_simd\.c$' |
        xargs -P "$(nproc)" -n 8 clang-tidy --quiet -p build/release 2>&1 | { grep -v 'warnings generated\|^Suppressed\|^Use -header' || true; }
}

build() { # BUILD [TARGET ...]
    cmake --preset "$1" >/dev/null
    cmake --build --preset "$1" ${2:+--target "${@:2}"}
}

# One test more than there are cores, because many of them wait: for signals, for ranks that start, for Slurm.
run_tests() { # BUILD [what ctest takes]
    headline "$1: tests"
    ctest --test-dir "build/$1" --output-on-failure -j $(($(nproc) + 1)) "${@:2}"
}

build_and_test() {
    headline "$1: build"
    build "$1"
    run_tests "$@"
}

# beside NAME COMMAND ...: does it with what the tests leave of the processors. finish NAME: waits for it, and shows
# what it said when it has failed.
declare -A beside_pid
beside() {
    mkdir -p build/log
    set -m # a process group of its own, to end it with all its children
    (
        renice -n 19 "$BASHPID" >/dev/null
        "${@:2}"
    ) >"build/log/$1.log" 2>&1 &
    set +m
    beside_pid[$1]=$!
}
finish() {
    headline "$1: waiting for it"
    local pid=${beside_pid[$1]}
    wait "$pid" || {
        cat "build/log/$1.log"
        exit 1
    }
    unset "beside_pid[$1]"
}

# Tests in which sanitizers show nothing new, and those in which poisoned memory does not: how runs are planned,
# started, disturbed and resumed.
about_plans='system\.test_(doctor|install|memory|scale|slurm|submit)'
about_runs='system\.test_(comm|disk|doctor|install|kill|memory|resume|scale|slurm|submit)'

# What depends on the MPI library, with MPICH instead of Open MPI.
mpich_needs=(tarkka tarkka-trial comm_check test_comm)
with_mpich() {
    TARKKA_TEST_QUICK=1 run_tests mpich -R 'unit\.test_comm|system\.test_(comm|doctor|program|invariance|real_jobs)'
}

# The tests of faults at many more moments than in every run.
long_tests() {
    TARKKA_TEST_LONG=1 build_and_test release -R 'system\.test_(kill|disk|scale)'
}

# ctest shows only what fails: what was not run at all is said here, last, where nobody overlooks it.
say_skipped() {
    [ -n "${TARKKA_TEST_DATA:-}" ] || echo "NOT RUN: tests on real images (set TARKKA_TEST_DATA to their folder)"
    [ "$(id -u)" -eq 0 ] || echo "NOT RUN: tests on a full disk (mounting a small file system needs root)"
    [ "$(id -u)" -eq 0 ] || echo "NOT RUN: tests under a real Slurm (starting its daemons needs root)"
}
end() {
    for pid in "${beside_pid[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
    say_skipped
}
trap end EXIT

./install-packages.sh tests
case "${1:-all}" in
lint) build release tarkka; lint ;;
release | clang | asan-ubsan | poison) build_and_test "$1" ;;
mpich) build mpich "${mpich_needs[@]}"; with_mpich ;;
long) long_tests ;;
all)
    headline "release: build"
    build release
    beside build-asan-ubsan build asan-ubsan
    beside lint lint
    run_tests release
    finish lint
    finish build-asan-ubsan
    beside build-poison build poison
    beside build-mpich build mpich "${mpich_needs[@]}"
    beside build-clang build clang
    run_tests asan-ubsan -E "$about_plans"
    finish build-poison
    run_tests poison -E "$about_runs"
    finish build-mpich
    with_mpich
    finish build-clang
    run_tests clang -L unit
    headline "all passed"
    ;;
*) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
