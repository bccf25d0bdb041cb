"""What `cmake --install` gives works from where it was put; the recipes for clusters name what the program needs."""
import ast
import os
import pathlib
import re
import shutil
import subprocess
import unittest

from harness import MPI_ENVIRONMENT, ROOT, TARKKA, SystemTest

BUILD = pathlib.Path(TARKKA).parent
PACKAGING = ROOT / "slurm/packaging"


def tool(name):
    """Where this program is; skips the test, loudly, where it is not."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/bin")
    if not found:
        message = f"NO {name} (./install-packages.sh tests installs it on Debian)"
        print("SKIPPED " + message, flush=True)
        raise unittest.SkipTest(message)
    return found


class Installed(SystemTest):
    def setUp(self):
        super().setUp()
        self.prefix = self.folder / "a prefix"
        self.call("cmake", "--install", BUILD, "--prefix", self.prefix)
        (self.modulefiles,) = self.prefix.glob("share/tarkka/modulefiles")

    def call(self, *command, environment=None):
        """With nothing in the environment that could help."""
        clean = {"PATH": "/usr/bin:/bin:/usr/sbin", "HOME": str(self.folder), "OMP_WAIT_POLICY": "passive",
                 **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}, **MPI_ENVIRONMENT}
        done = subprocess.run([*map(str, command)], env=environment or clean, cwd=self.folder, capture_output=True, text=True,
                              timeout=300)
        self.assertEqual(done.returncode, 0, f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def test_the_quick_start_runs_from_there(self):
        tarkka = self.prefix / "bin/tarkka"
        self.assertEqual(self.call(tarkka, "--version"), self.call(TARKKA, "--version"))
        self.call(tarkka, "phantom", "nuclei", "p", "--size", "32x96x96")
        self.call(tarkka, "run", self.prefix / "share/tarkka/workflows/quickstart.yaml", "--input", "p.ome.tif", "--output",
                  "r.h5", "--threads", "2")
        self.assertIn("objects", self.call(tarkka, "compare", "--labels", "r.h5:/labels/label", "p_labels.ome.tif"))

    def test_environment_modules_put_it_on_the_path(self):
        environment = {"PATH": "/usr/bin:/bin", "MODULEPATH": str(self.modulefiles / "tcl"), "HOME": str(self.folder)}
        load = self.call(tool("modulecmd"), "bash", "load", f"tarkka/{self.version()}", environment=environment)
        self.assertEqual(self.call("bash", "-c", f"{load}\ncommand -v tarkka").strip(), str(self.prefix / "bin/tarkka"))

    def test_the_modulefile_for_lmod_does_the_same(self):
        """Run with Lmod's functions printing what they are called with."""
        functions = "".join(f'function {f}(...) print("{f}", ...) end\n' for f in ("help", "whatis", "conflict", "prepend_path"))
        program = self.write("m.lua", functions + (self.modulefiles / f"lua/tarkka/{self.version()}.lua").read_text())
        self.assertIn(f"prepend_path\tPATH\t{self.prefix}/bin\n", self.call(tool("lua5.1"), program))

    def version(self):
        return self.call(TARKKA, "--version").split()[1]


class Recipes(unittest.TestCase):
    # What CMakeLists.txt looks for, as Spack calls it. Compilers bring OpenMP and threads along.
    SPACK = {"MPI": "mpi", "HDF5": "hdf5", "TIFF": "libtiff", "LibXml2": "libxml2", "OpenSSL": "openssl", "PNG": "libpng",
             "ZLIB": "zlib-api", "PkgConfig": "pkgconfig", "fftw3f": "fftw", "jansson": "jansson", "yaml-0.1": "libyaml",
             "libdeflate": "libdeflate", "OpenMP": "c", "Threads": "c"}

    def test_spack_depends_on_all_that_cmake_looks_for(self):
        cmake = (ROOT / "CMakeLists.txt").read_text()
        wanted = re.findall(r"^find_package\((\w+) ", cmake, re.M)
        wanted += re.findall(r"^pkg_check_modules\(\w+ REQUIRED IMPORTED_TARGET ([\w.-]+)\)", cmake, re.M)
        self.assertGreater(len(wanted), 10)
        (recipe,) = PACKAGING.glob("spack/spack_repo/*/packages/tarkka/package.py")
        calls = [node for node in ast.walk(ast.parse(recipe.read_text())) if isinstance(node, ast.Call)]
        named = {re.match(r"[\w-]+", call.args[0].value)[0] for call in calls
                 if isinstance(call.func, ast.Name) and call.func.id == "depends_on"}
        self.assertEqual(named, {self.SPACK[name] for name in wanted} | {"cmake"})

    def test_the_container_has_all_libraries(self):
        """The packages of the final stage hold every library that the program is linked to. (It is built with gcc there, not with
        clang, whose OpenMP has a library of its own.)"""
        query = tool("dpkg-query")
        needed = re.findall(r"NEEDED +(\S+)", subprocess.run(["objdump", "-p", TARKKA], capture_output=True, text=True,
                                                              check=True).stdout)
        final = (PACKAGING / "tarkka.def").read_text().split("Stage: final")[1]
        (line,) = re.findall(r"apt-get install (?:[^\n]*\\\n)*[^\n]*", final)
        installed = set(line.replace("\\\n", " ").split())
        for library in needed:
            if not re.match(r"lib(c|m|asan|ubsan|omp)\.so", library):
                owners = subprocess.run([query, "-S", f"*/{library}"], capture_output=True, text=True, check=True).stdout
                self.assertTrue(installed & {owner.split(":")[0] for owner in owners.splitlines()}, f"{library}: {owners}")


if __name__ == "__main__":
    unittest.main()
