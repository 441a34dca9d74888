"""How the compiled module comes about: `engine.c` behind cffi, with the declarations of `engine.h`. Run by setuptools, never imported by the product."""

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).parent

ffibuilder = FFI()
ffibuilder.cdef((HERE / "engine.h").read_text())
ffibuilder.set_source(
    "media_sfu.engine._engine",
    '#include <stdint.h>\n#include "engine.h"',
    sources=["src/media_sfu/engine/engine.c"],
    include_dirs=["src/media_sfu/engine"],
    depends=["src/media_sfu/engine/engine.h"],
    extra_compile_args=["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter"],
    libraries=["pthread"],
    py_limited_api=True,
)
