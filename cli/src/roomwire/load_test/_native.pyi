from typing import Any

# cffi makes both at build time from native.h; engine.py gives them types.
ffi: Any
lib: Any
