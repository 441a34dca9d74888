"""The reference for people: one page that needs no script and no other address."""

from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 62rem; padding: 1rem 1.5rem 4rem; }
nav ul { columns: 16rem; padding-left: 1.2rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid; }
details { border: 1px solid #8886; border-radius: .4rem; margin: .6rem 0; }
summary { cursor: pointer; padding: .4rem .8rem; overflow-wrap: anywhere; }
details > div { padding: 0 .8rem .6rem; overflow-x: auto; }
.method { display: inline-block; min-width: 4.2rem; font-weight: 700; }
code { font-family: ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: 700; padding: .6rem 0 .2rem; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; border-top: 1px solid #8884; }
"""


def render_page(document: dict[str, Any]) -> str:
    """The OpenAPI document as HTML."""
    info, tags = document["info"], document["tags"]
    sections = "".join(_section(document, tag) for tag in tags)
    entries = "".join(f'<li><a href="#{_anchor(tag["name"])}">{escape(tag["name"])}</a></li>' for tag in tags)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>'
        f"<h1>{escape(info['title'])}</h1><p>{escape(info['description'])}</p>"
        f'<p>The same for programs: <a href="openapi.json">openapi.json</a>.</p>'
        f"<nav><ul>{entries}</ul></nav><main>{sections}</main></body></html>"
    )


def _section(document: dict[str, Any], tag: dict[str, Any]) -> str:
    operations = "".join(
        _operation(document, method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if tag["name"] in operation["tags"]
    )
    if not operations:
        return ""
    about = f"<p>{escape(tag['description'])}</p>" if "description" in tag else ""
    return f'<h2 id="{_anchor(tag["name"])}">{escape(tag["name"])}</h2>{about}{operations}'


def _operation(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> str:
    query = [
        (each["name"], each["required"], each["schema"], each.get("description", ""))
        for each in operation["parameters"]
        if each["in"] == "query"
    ]
    form: list[tuple[str, bool, dict[str, Any], str]] = []
    for content in operation.get("requestBody", {}).get("content", {}).values():
        form = _members(content["schema"])
    parameters = _table("Parameters", [*query, *form])
    answers = []
    refusals = []
    for status, answer in operation["responses"].items():
        content = answer.get("content", {}).get("application/json", {}).get("schema")
        if int(status) >= 400:
            refusals.append(f"<tr><td>{status}</td><td>{escape(answer['description'])}</td></tr>")
        else:
            shown = _table("Members", _members(_resolve(document, content))) if content else ""
            answers.append(
                f"<p>Answer: {status}. {escape(answer['description'])}</p>{shown}{_entries(document, content)}"
            )
    return (
        f'<details><summary><span class="method">{method.upper()}</span> <code>{escape(path)}</code><br>'
        f"{escape(operation['summary'])}</summary><div>{parameters}{''.join(answers)}"
        f"<table><caption>Errors</caption>{''.join(refusals)}</table></div></details>"
    )


def _entries(document: dict[str, Any], content: dict[str, Any] | None) -> str:
    """Of a list, the members of each entry too."""
    for name, each in (content or {}).get("properties", {}).items():
        if each.get("type") == "array" and "$ref" in each["items"]:
            return _table(f"Members of {name}", _members(_resolve(document, each["items"])))
    return ""


def _members(content: dict[str, Any]) -> list[tuple[str, bool, dict[str, Any], str]]:
    required = content.get("required", [])
    return [(name, name in required, each, each.get("description", "")) for name, each in content["properties"].items()]


def _table(caption: str, rows: list[tuple[str, bool, dict[str, Any], str]]) -> str:
    if not rows:
        return ""
    marks = caption == "Parameters"
    body = "".join(
        f"<tr><th scope=row><code>{escape(name)}</code>{' (required)' if marks and required else ''}</th>"
        f"<td>{escape(_kind(each))}</td><td>{escape(meaning)}</td></tr>"
        for name, required, each, meaning in rows
    )
    return f"<table><caption>{escape(caption)}</caption>{body}</table>"


def _kind(each: dict[str, Any]) -> str:
    """A type in words."""
    if "$ref" in each:
        return each["$ref"].rpartition("/")[2]  # type: ignore[no-any-return]  # a JSON document
    if "enum" in each:
        return " | ".join("null" if value is None else value for value in each["enum"])
    kinds = each["type"] if isinstance(each["type"], list) else [each["type"]]
    shown = " or ".join(kinds)
    if each["type"] == "array":
        return f"array of {_kind(each['items'])}"
    if each.get("pattern"):
        return shown.replace("string", f"SID {each['pattern'][1:3]}…")
    return shown.replace("string", each["format"]) if "format" in each else shown


def _resolve(document: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in content:
        return content
    resolved: dict[str, Any] = document["components"]["schemas"][content["$ref"].rpartition("/")[2]]
    return resolved


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")
