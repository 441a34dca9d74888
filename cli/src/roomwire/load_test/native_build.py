"""Builds `_native`, the packet engine, from native.c. Read by setuptools, never imported at run time."""

from pathlib import Path

from cffi import FFI

FOLDER = "src/roomwire/load_test"

builder = FFI()
builder.cdef(Path(FOLDER, "native.h").read_text())
builder.set_source(
    "roomwire.load_test._native",
    '#include <stdint.h>\n#include "native.h"',
    sources=[f"{FOLDER}/native.c"],
    depends=[f"{FOLDER}/native.h"],
    include_dirs=[FOLDER],
    extra_compile_args=["-O2", "-Wall", "-Wextra"],
    libraries=["pthread"],
)
