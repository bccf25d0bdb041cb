#!/bin/sh
# From nothing to a first result: installs what is missing, builds tarkka, makes a volume of nuclei with known truth,
# runs workflows/quickstart.yaml on it on all cores, and compares what it found with the truth.
set -eu
cd "$(dirname "$0")"
./install-packages.sh build
echo "== building"
cmake --preset release >/dev/null
cmake --build --preset release --target tarkka | tail -n 1
tarkka=build/release/tarkka
out=quickstart-output
mkdir -p "$out"

echo "== making a phantom with known truth"
"$tarkka" phantom nuclei "$out/phantom" --overwrite

# Open MPI: as root it wants to be asked twice; ranks may use any core; shared memory is all they need here.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
echo "== running workflows/quickstart.yaml on $(nproc) ranks"
mpirun -n "$(nproc)" --bind-to none --oversubscribe "$tarkka" run workflows/quickstart.yaml \
    --input "$out/phantom.ome.tif" --output "$out/result.h5" --overwrite

echo "== what it found, and the truth"
"$tarkka" compare --labels "$out/result.h5:/labels/label" "$out/phantom_labels.ome.tif"
"$tarkka" picture "$out/picture.png" --image "$out/phantom.ome.tif" --image "$out/result.h5:/images/deconvolve" \
    --labels "$out/result.h5:/labels/label" --overwrite
echo
echo "The result is $out/result.h5 (open it in Python with h5py); a picture of it is $out/picture.png."
