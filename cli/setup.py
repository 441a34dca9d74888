"""Builds the load tester's packet engine with the package; everything else is in `pyproject.toml`."""

from setuptools import setup

setup(cffi_modules=["src/roomwire/load_test/native_build.py:builder"])
