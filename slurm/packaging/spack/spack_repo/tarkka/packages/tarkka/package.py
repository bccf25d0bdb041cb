from spack.package import *
from spack_repo.builtin.build_systems.cmake import CMakePackage


class Tarkka(CMakePackage):
    """Exact analysis of microscope volumes, tile by tile, on one core or on many MPI ranks: deconvolution,
    segmentation, measurement. The same bytes for any number of ranks and threads."""

    license("BSD-3-Clause")

    # Built from a copy of the source: `spack develop --path /path/to/tarkka tarkka@main`.
    version("main", branch="main")

    variant("benchmarks", default=False, description="Build the benchmarks of the kernels")

    depends_on("c", type="build")
    depends_on("cmake@3.20:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi@3:")
    # One rank writes the result: HDF5 needs no MPI, and without it one build of HDF5 serves all MPIs.
    depends_on("hdf5@1.10: ~mpi+hl")
    depends_on("fftw@3.3: ~mpi precision=float")
    depends_on("libtiff@4:")
    depends_on("libxml2")
    depends_on("openssl")
    depends_on("libpng@1.6:")
    depends_on("zlib-api")
    depends_on("jansson@2.11:")
    depends_on("libyaml")
    depends_on("libdeflate")

    def cmake_args(self):
        return [
            self.define("TARKKA_TESTS", False),
            self.define_from_variant("TARKKA_BENCHMARKS", "benchmarks"),
        ]

    def setup_run_environment(self, env):
        # Plans of FFTs are made once for each machine: where to keep them is the user's choice (TARKKA_CACHE).
        env.prepend_path("PATH", self.prefix.bin)

    @run_after("install")
    @on_package_attributes(run_tests=True)
    def check_install(self):
        """A small volume is made, analysed and compared with its truth."""
        with working_dir("spack-check", create=True):
            tarkka = Executable(join_path(self.prefix.bin, "tarkka"))
            workflow = join_path(self.prefix.share, "tarkka", "workflows", "quickstart.yaml")
            tarkka("phantom", "nuclei", "p", "--size", "32x96x96")
            tarkka("run", workflow, "--input", "p.ome.tif", "--output", "r.h5", "--threads", "1")
            tarkka("compare", "--labels", "r.h5:/labels/label", "p_labels.ome.tif")
