"""Builds the packet engine; everything else about the package is in pyproject.toml."""

from setuptools import setup

setup(cffi_modules=["src/media_sfu/engine/build.py:ffibuilder"])
