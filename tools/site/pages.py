"""Pages of the site that stand in no file of docs/: README as the first page, and one page of reference a package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
PACKAGES = ("protocol", "chain", "keeper")

#: Docstrings are plain text: their tables of names keep their lines.
STYLE = ".doc-contents > p { white-space: pre-wrap; }\n"


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Adds the pages."""
    readme = (ROOT / "README.md").read_text().replace("](docs/", "](")
    files.append(File.generated(config, "index.md", content=readme))
    files.append(File.generated(config, "docstrings.css", content=STYLE))
    for package in PACKAGES:
        files.append(File.generated(config, f"reference/{package}.md", content=reference(package)))
    return files


def reference(package: str) -> str:
    """The modules of a package in the order of their names; the package's own docstring first."""
    folder = ROOT / "bulkhead" / package
    modules = [file.stem for file in sorted(folder.glob("*.py")) if not file.stem.startswith("_")]
    options = "    options:\n      members: false\n      show_root_heading: false\n"
    own = f"# bulkhead.{package}\n\n::: bulkhead.{package}\n{options}"
    return own + "".join(f"\n::: bulkhead.{package}.{module}\n" for module in modules)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links of docs/ to README are links to the first page."""
    return markdown.replace("](../README.md", "](index.md")
