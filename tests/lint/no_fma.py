#!/usr/bin/env python3
"""No fused multiply-add in the kernels: it rounds once where the baseline rounds twice, and bits would differ between
instruction sets. Compilers have emitted it for complex arithmetic in spite of -ffp-contract=off.

no_fma.py BUILD_FOLDER    disassembles the objects of the kernels; exit code 1 when one holds such an instruction
"""
import pathlib
import re
import subprocess
import sys

FMA = re.compile(r"\bvfn?m(?:add|sub|addsub|subadd)\w*")


def main():
    objects = sorted(pathlib.Path(sys.argv[1]).glob("kernels/**/*.o"))
    if not any("avx2" in str(o) for o in objects):
        print("no objects for AVX2 found: nothing to check on this architecture")
        return 0
    found = 0
    for path in objects:
        code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True)
        for name in sorted(set(FMA.findall(code.stdout))):
            print(f"{path}: {name}")
            found += 1
    print(f"{len(objects)} objects, {found} kinds of fused multiply-add")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
