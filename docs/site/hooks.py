"""What the documentation site shows besides the pages of docs/: made from the program itself at each build."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent.parent
KINDS = ("machine", "cascade", "mapping", "study")
SHIPPED = ("einsums", "arch", "studies")
#: A link of a page of docs/ to a file of the repository outside it.
_OUTSIDE = re.compile(r"\]\(\.\./((?:einsums|arch|studies)/[^)#]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages to the site's *files*."""
    pages = {"index.md": _home(), "reference/command-line.md": _command_line(), **_formats(), **_shipped()}
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Return *markdown* with links to shipped files led to their pages."""
    up = "../" * page.file.src_uri.count("/")
    return _OUTSIDE.sub(lambda found: f"]({up}shipped/{found[1]}.md)", markdown)


def _home() -> str:
    """Return the README with its links as they are from inside docs/."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = text.replace("](docs/", "](").replace("](CITATION.cff)", "](citation.md)")
    return re.sub(r"\]\(((?:einsums|arch|studies)/[^)#]+)\)", r"](shipped/\1.md)", text)


def _command_line() -> str:
    """Return the page of every command with its arguments and options."""
    import typer

    from fusemax.cli import build

    lines = ["# Command line", "", "`fusemax COMMAND --help` prints the same in a terminal.", ""]
    for path, command in _commands(typer.main.get_command(build()), ()):
        lines += [
            f"## {' '.join(('fusemax', *path))}",
            "",
            _plain(command.help or ""),
            "",
            *_parameters(command),
            "",
        ]
    return "\n".join(lines)


def _commands(
    command: click.Command, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Return every command below *command* with the words that call it."""
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, inner in command.commands.items():  # pyright: ignore[reportAttributeAccessIssue]
        yield from _commands(inner, (*path, name))


def _parameters(command: click.Command) -> list[str]:
    """Return the table of what *command* takes."""
    rows = [
        (_called(found), _plain(getattr(found, "help", "") or ""), _default(found))
        for found in command.params
    ]
    return (
        ["| argument | meaning | default |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
        if rows
        else []
    )


def _called(found: click.Parameter) -> str:
    """Return how an argument or option is written."""
    if found.param_type_name == "option":
        return ", ".join(f"`{name}`" for name in found.opts)
    return f"`{(found.name or '').upper()}`"


def _default(found: click.Parameter) -> str:
    """Return the value that is taken where none is given; nothing for a switch."""
    is_value = isinstance(found.default, str | int | float) and not isinstance(found.default, bool)
    return f"`{found.default}`" if is_value else ""


def _plain(text: str) -> str:
    """Return *text* of a help page for a table: one line a paragraph, nothing that Markdown reads."""
    joined = re.sub(r"[ \t]*\n(?!\n)[ \t]*", " ", text.replace("\b", "")).strip()
    return joined.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _formats() -> dict[str, str]:
    """Return a page for each kind of file with its keys, and the JSON Schema beside it."""
    from fusemax.cli.schema import schema_of

    pages: dict[str, str] = {}
    for kind in KINDS:
        found = schema_of(kind)
        pages[f"reference/{kind}.schema.json"] = json.dumps(found, indent=2) + "\n"
        parts = {kind: found, **found.get("$defs", {})}
        shown = {name for name, part in parts.items() if part.get("properties")}
        lines = [
            f"# Keys of a {kind} file", "",
            f"From the [JSON Schema]({kind}.schema.json) that `fusemax schema {kind}` prints. An editor with a YAML",
            "language server completes and checks a file that begins with",
            f"`# yaml-language-server: $schema={kind}.schema.json`.",
            "",
        ]  # fmt: skip
        for name, part in parts.items():
            lines += _keys(name, part, shown)
        pages[f"reference/{kind}.md"] = "\n".join(lines)
    return pages


def _keys(name: str, part: Mapping[str, Any], shown: Collection[str]) -> list[str]:
    """Return the section of one object of a schema; none for what has no keys."""
    properties = part.get("properties")
    if not properties:
        return []
    must = set(part.get("required", ()))
    rows = [
        f"| `{key}` | {_type(value, shown)} | {'yes' if key in must else ''} | {_plain(value.get('description', ''))} |"
        for key, value in properties.items()
    ]
    return [
        f"## {name}",
        "",
        _plain(part.get("description", "")),
        "",
        "| key | type | must | meaning |",
        "|---|---|---|---|",
        *rows,
        "",
    ]


def _type(value: Mapping[str, Any], shown: Collection[str]) -> str:
    """Return the type of a value of a schema in words, with links to the objects of the page."""
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})" if name in shown else name
    if "enum" in value or "const" in value:
        return ", ".join(f"`{one}`" for one in value.get("enum", [value.get("const")]))
    for choice in ("anyOf", "oneOf"):
        if choice in value:
            return " or ".join(
                dict.fromkeys(_type(one, shown) for one in value[choice] if one.get("type") != "null")
            )
    kind = value.get("type", "anything")
    if kind == "array":
        return f"list of {_type(value.get('items', {}), shown)}"
    if kind == "object" and isinstance(value.get("additionalProperties"), Mapping):
        return f"by name: {_type(value['additionalProperties'], shown)}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _shipped() -> dict[str, str]:
    """Return a page for each file that comes along, and their list."""

    pages: dict[str, str] = {
        "citation.md": f"# Citation\n\n```yaml\n{(ROOT / 'CITATION.cff').read_text(encoding='utf-8')}```\n"
    }
    lines = [
        "# What comes along",
        "",
        "Every file may be used by its name, copied and changed. `fusemax list` prints them too.",
        "",
    ]
    for folder in SHIPPED:
        lines += [f"## {folder}", "", "| file | what it is |", "|---|---|"]
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix not in (".yaml", ".md"):
                continue
            text = path.read_text(encoding="utf-8")
            title = _title(path, text)
            body = f"```yaml\n{text.rstrip()}\n```\n" if path.suffix == ".yaml" else text.partition("\n")[2]
            pages[f"shipped/{name}.md"] = f"# {title}\n\n`{name}`\n\n{body}"
            lines.append(f"| [{name}]({name}.md) | {_plain(title)} |")
        lines.append("")
    pages["shipped/index.md"] = "\n".join(lines)
    return pages


def _title(path: Path, text: str) -> str:
    """Return the title that a file bears, or its name."""
    found = re.search(
        r"^title:\s*(.+?)\s*$" if path.suffix == ".yaml" else r"^#\s+(.+)$", text, flags=re.MULTILINE
    )
    return found[1].strip("\"'") if found else path.stem
