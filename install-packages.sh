#!/bin/sh
# Installs what tarkka needs from Debian 12's packages, and only what is missing.
#   install-packages.sh build    to build and run
#   install-packages.sh tests    to build, run and test
set -eu

build="gcc libc6-dev cmake ninja-build pkg-config git ca-certificates
  openmpi-bin libopenmpi-dev libhdf5-dev libfftw3-dev libtiff-dev libxml2-dev libssl-dev libpng-dev zlib1g-dev
  libjansson-dev libyaml-dev libdeflate-dev"
tests="clang clang-format clang-tidy libomp-14-dev libclang-rt-14-dev libcmocka-dev libmpich-dev mpich
  python3 python3-h5py python3-numpy python3-scipy python3-skimage python3-sklearn python3-tifffile python3-vigra
  python3-jsonschema python3-yaml
  munge slurmctld slurmd slurm-client slurm-wlm-basic-plugins slurm-wlm-jwt-plugin slurmrestd environment-modules lua5.1"

case "${1:-}" in
build) wanted=$build ;;
tests) wanted="$build $tests" ;;
*) sed -n '2,4s/^# //p' "$0"; exit 2 ;;
esac

missing=""
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then root=""
elif command -v sudo >/dev/null 2>&1; then root="sudo"
else echo "install-packages.sh: these packages are missing, and installing them needs root or sudo:$missing" >&2; exit 1
fi
# Daemons are wanted as programs, not as services: where nothing forbids it, their packages would start them.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '$root rm -f "$policy"' EXIT
    trap 'exit 1' INT TERM
    $root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$root apt-get update -qq
# shellcheck disable=SC2086 # the list is meant to be split
$root apt-get install -y -qq --no-install-recommends $missing >/dev/null
