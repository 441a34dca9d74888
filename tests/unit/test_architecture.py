"""The rules of ARCHITECTURE.md that a machine can check."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]
SERVICES = ("rooms-api", "token-issuer", "signaling-gateway", "media-sfu")
PACKAGES = tuple(
    package
    for pattern in ("shared/src/*", "services/*/src/*", "cli/src/*", "demo/src/*")
    for package in sorted(ROOT.glob(pattern))
    if (package / "__init__.py").exists()
)
NAMES_THAT_SAY_NOTHING = {"utils", "helpers", "manager", "common", "base", "misc", "data", "info"}


def modules(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(folder.rglob("*.py"))


def test_imports_point_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)

    assert lint_imports(no_cache=True) == 0


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_a_project_with_one_typed_package(service: str) -> None:
    folder = ROOT / "services" / service
    package = folder / "src" / service.replace("-", "_")

    assert (folder / "pyproject.toml").is_file()
    assert [entry.name for entry in (folder / "src").iterdir() if entry.name.isidentifier()] == [package.name]
    assert (package / "py.typed").is_file()


def test_a_core_never_awaits() -> None:
    awaiting = [
        f"{module.relative_to(ROOT)}:{node.lineno}"
        for package in PACKAGES
        for module in modules(package / "core")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
    ]

    assert awaiting == []


def test_a_core_is_given_the_time_and_never_asks_for_it() -> None:
    clocks = {"now", "utcnow", "today"}
    asking = [
        f"{module.relative_to(ROOT)}:{node.lineno}"
        for package in PACKAGES
        for module in modules(package / "core")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name | ast.Attribute)
        and ast.unparse(node.func.value) in {"datetime", "datetime.datetime", "date"}
        and node.func.attr in clocks
    ]

    assert asking == []


def test_every_module_says_what_it_owns() -> None:
    silent = [
        str(module.relative_to(ROOT))
        for module in modules(*PACKAGES)
        if module.stat().st_size and not ast.get_docstring(ast.parse(module.read_text()))
    ]

    assert silent == []


def test_module_names_say_something() -> None:
    empty = [str(module) for module in modules(*PACKAGES) if module.stem in NAMES_THAT_SAY_NOTHING]

    assert empty == []


def test_every_test_runs() -> None:
    skips = {"skip", "skipif", "xfail", "importorskip"}
    skipping = [
        f"{module.relative_to(ROOT)}:{node.lineno}"
        for module in modules(ROOT / "tests")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in skips
        and ast.unparse(node.value) in {"pytest", "pytest.mark", "mark"}
    ]

    assert skipping == []
