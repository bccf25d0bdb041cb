#!/bin/bash
# Installs what is missing, builds tarkka in every way that it must build in, and runs all tests. No arguments needed.
#   tests/run.sh             everything (about a quarter of an hour on two cores)
#   tests/run.sh release     one build only: release, clang, asan-ubsan, poison, or lint
# Tests on real images look for them in TARKKA_TEST_DATA (default: ../shared/data, where that exists); without them they
# are skipped, loudly.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8
# A cache of FFT plans that lasts for this checkout, so that runs share their plans.
export TARKKA_CACHE="$PWD/build/cache"
if [ -z "${TARKKA_TEST_DATA:-}" ] && [ -d ../shared/data ]; then export TARKKA_TEST_DATA="$PWD/../shared/data"; fi

headline() { printf '\n=== %s (after %d s)\n' "$1" "$SECONDS"; }

lint() {
    headline "lint: formatting, layers, clang-tidy"
    git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror
    cmake --preset release >/dev/null
    cmake --build --preset release --target tarkka >/dev/null
    git ls-files 'kernels/*.c' 'io/*.c' 'engine/*.c' 'workflows/*.c' | grep -v '_simd\.c$' |
        xargs -P "$(nproc)" -n 8 clang-tidy --quiet -p build/release 2>&1 | { grep -v 'warnings generated\|^Suppressed\|^Use -header' || true; }
}

build_and_test() {
    headline "$1: build"
    cmake --preset "$1" >/dev/null
    cmake --build --preset "$1"
    headline "$1: tests"
    ctest --test-dir "build/$1" --output-on-failure "${@:2}"
}

# ctest shows only what fails: what was not run at all is said here, last, where nobody overlooks it.
say_skipped() {
    [ -n "${TARKKA_TEST_DATA:-}" ] || echo "NOT RUN: tests on real images (set TARKKA_TEST_DATA to their folder)"
    [ "$(id -u)" -eq 0 ] || echo "NOT RUN: tests on a full disk (mounting a small file system needs root)"
}
trap say_skipped EXIT

./install-packages.sh tests
case "${1:-all}" in
lint) lint ;;
release | clang | asan-ubsan | poison) build_and_test "$1" ;;
all)
    lint
    build_and_test release
    build_and_test asan-ubsan
    build_and_test poison
    build_and_test clang -L unit
    headline "all passed"
    ;;
*) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
