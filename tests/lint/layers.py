#!/usr/bin/env python3
"""Checks what a compiler cannot see: which layer includes what, and that the engine names no step.

layers.py [ROOT]        check the tree; prints FILE:LINE: what is wrong; exit code 1 when anything is
layers.py --self-test   plants one violation of each rule in a copy and expects each to be found
"""
import pathlib
import re
import shutil
import sys
import tempfile

INCLUDE = re.compile(r'\s*#\s*include\s*[<"]([^>"]+)[>"]')
MAIN_PATH = ["engine/main.c", "engine/workflow.c", "engine/plan.c", "engine/run.c", "engine/merge.c"]
MAIN_PATH_LINES = 420
MPI_FILES = {"engine/comm.c"}

# folder: what it may not include (regular expressions over the include's name)
FORBIDDEN = {
    "kernels/common": [r"mpi\.h", r"hdf5\.h", r"H5.*", r"stdio\.h", r"(engine|io|workflows|slurm)/.*",
                       r"kernels/(?!common/).*", r"fftw3\.h"],
    "kernels": [r"mpi\.h", r"hdf5\.h", r"H5.*", r"stdio\.h", r"(engine|io|workflows|slurm)/.*", r"tiffio\.h", r"jansson\.h"],
    "io": [r"mpi\.h", r"(engine|workflows|slurm)/.*", r"kernels/(?!common/).*", r"fftw3\.h"],
    "engine": [r"mpi\.h", r"hdf5\.h", r"H5.*", r"tiffio\.h", r"(workflows|slurm)/.*", r"kernels/(?!common/).*",
               r"fftw3\.h"],
    "workflows": [r"mpi\.h", r"hdf5\.h", r"H5.*", r"tiffio\.h", r"fftw3\.h",
                  r"engine/(?!step\.h|field\.h|params\.h|command\.h).*", r"slurm/.*"],
    "slurm": [r"mpi\.h", r"hdf5\.h", r"H5.*", r"tiffio\.h", r"fftw3\.h", r"workflows/.*", r"kernels/(?!common/).*"],
}
# folder: words that may not appear in its code (comments and texts aside)
FORBIDDEN_WORDS = {
    "kernels": [r"\bgetenv\b", r"\bf?printf\b", r"\bfopen\b", r"\bexit\b", r"\bMPI_\w+", r"\bH5[A-Z]\w+"],
    "io": [r"\bMPI_\w+", r"\bexit\s*\("],
    "engine": [r"\bH5[A-Z]\w+"],
    "workflows": [r"\bMPI_\w+", r"\bH5[A-Z]\w+", r"\bexit\s*\("],
    "slurm": [r"\bMPI_\w+", r"\bH5[A-Z]\w+", r"\bexit\s*\(", r"\bsystem\s*\(", r"\bpopen\s*\("],
}


def folder_of(path):
    """The longest rule that covers a file."""
    return max((f for f in FORBIDDEN if path.startswith(f + "/")), key=len, default=None)


def without_comments(text):
    """The code with comments and string literals blanked, line numbers kept."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def step_names(root):
    return re.findall(r"TK_STEP\((\w+)\)", (root / "workflows/steps/steps.def").read_text())


def check_file(root, path, steps):
    name = str(path.relative_to(root))
    folder = folder_of(name)
    text = path.read_text()
    code = without_comments(text)
    for number, line in enumerate(text.splitlines(), 1):
        include = INCLUDE.match(line)
        if include and not (include.group(1) == "mpi.h" and name in MPI_FILES):
            for pattern in FORBIDDEN[folder]:
                if re.fullmatch(pattern, include.group(1)):
                    yield f"{name}:{number}: {folder}/ may not include {include.group(1)}"
        if folder == "engine":
            for step in steps:
                if re.search(rf"\b{step}\b", line):
                    yield f"{name}:{number}: the engine names the step '{step}'"
    top = folder.split("/")[0]
    for number, line in enumerate(code.splitlines(), 1):
        for pattern in FORBIDDEN_WORDS[top]:
            found = re.search(pattern, line)
            if found and name not in MPI_FILES:
                yield f"{name}:{number}: {top}/ may not use {found.group(0)}"


def check(root):
    steps = step_names(root)
    problems = []
    for folder in ("kernels", "io", "engine", "workflows", "slurm"):
        for path in sorted((root / folder).rglob("*.[ch]")):
            problems += check_file(root, path, steps)
    for name in MAIN_PATH:
        lines = len((root / name).read_text().splitlines())
        if lines > MAIN_PATH_LINES:
            problems.append(f"{name}:{lines}: a file of the main path has more than {MAIN_PATH_LINES} lines")
    return problems


PLANTED = {
    "kernels/filter/planted.c": ['#include <mpi.h>\n', '#include <hdf5.h>\n', '#include <stdio.h>\n',
                                 '#include "io/error.h"\n', 'int f(void) { return getenv("X") != 0; }\n'],
    "kernels/common/planted.c": ['#include "kernels/filter/gaussian.h"\n'],
    "io/planted.c": ['#include "engine/step.h"\n', '#include <mpi.h>\n', 'void f(void) { exit(1); }\n'],
    "engine/planted.c": ['#include <mpi.h>\n', '#include "kernels/filter/gaussian.h"\n',
                         '#include "slurm/batch.h"\n', 'const char *f(void) { return "STEP"; }\n',
                         '/* STEP is special */\n'],
    "workflows/steps/planted.c": ['#include "engine/comm.h"\n', '#include <hdf5.h>\n'],
    "slurm/planted.c": ['#include <mpi.h>\n', '#include "workflows/steps/planted.h"\n',
                        'int f(void) { return system("sbatch"); }\n'],
}


def self_test(root):
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        for name in ("kernels", "io", "engine", "workflows", "slurm"):
            shutil.copytree(root / name, copy / name)
        for name, contents in PLANTED.items():
            for content in contents:
                path = copy / name
                path.write_text(content.replace("STEP", step_names(root)[-1]))
                if not any(problem.startswith(name + ":") for problem in check(copy)):
                    print(f"not found in {name}: {content.strip()}")
                    missed += 1
                path.unlink()
    print(f"layer rules: {sum(map(len, PLANTED.values())) - missed} planted violations found, {missed} missed")
    return missed


def main():
    here = pathlib.Path(__file__).resolve().parents[2]
    if sys.argv[1:] == ["--self-test"]:
        return 1 if self_test(here) else 0
    problems = check(pathlib.Path(sys.argv[1]) if sys.argv[1:] else here)
    print("\n".join(problems) if problems else "layers: clean")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
