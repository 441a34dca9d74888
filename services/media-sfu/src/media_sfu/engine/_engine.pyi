"""The compiled module: see engine.h. cffi gives functions and structures no static types, hence `Any`."""

from typing import Any

ffi: Any
lib: Any
