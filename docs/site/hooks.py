"""What the site has beside the pages in ``docs/``, and where their links lead.

Pages are written to be read in the repository, too, so a link in them names a file there:
`../formulations/README.md`, `../kvpr_opt/problem/scaled.py`. On the site, documents and
notebooks from outside ``docs/`` are pages of their own, a source file that some page links
to is shown as one, and anything else that is only in the repository loses its link.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from notebook_pages import notebook_page

ROOT = Path(__file__).parents[2]

#: Documents outside ``docs/`` that are pages of the site.
DOCUMENTS = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "examples/README.md": "examples.md",
    "formulations/README.md": "formulations.md",
    "notebooks/README.md": "notebooks/index.md",
}

#: Source files that are shown as a page where one links to them.
LANGUAGES = {".py": "python", ".toml": "toml", ".yaml": "yaml", ".json": "json", ".csv": "text"}

_LINK = re.compile(r"\]\(([^)\s]+)\)")


class Site:
    """Which file of the repository is which page; filled anew by every build."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.current = ""

    def origin(self, page: str) -> str:
        """The file of the repository that a page was made from."""
        made_from = {made: source for source, made in self.pages.items()}
        return made_from.get(page, f"docs/{page}")

    def target(self, page: str, link: str) -> str | None:
        """Where a link of a page leads on the site; ``None`` for nowhere."""
        parts = urlsplit(link)
        if parts.scheme or not parts.path:
            return link
        folder = posixpath.dirname(self.origin(page))
        path = posixpath.normpath(posixpath.join(folder, parts.path))
        if path in self.pages:
            made = self.pages[path]
        elif path.startswith("docs/") and (ROOT / path).is_file():
            made = path.removeprefix("docs/")
        elif (ROOT / path).exists():
            return None
        else:
            return link  # which the build then calls dead
        relative = posixpath.relpath(made, posixpath.dirname(page) or ".")
        return relative + (f"#{parts.fragment}" if parts.fragment else "")


SITE = Site()


class RepositoryLinks(Treeprocessor):
    """Turns links into the repository into links within the site."""

    def run(self, root: Element) -> None:
        """Change the links of one page."""
        for element in root.iter("a"):
            link = element.get("href", "")
            target = SITE.target(SITE.current, link)
            if target is None:
                element.tag = "span"
                element.attrib.clear()
                element.set("title", f"in the repository: {link.lstrip('./')}")
            else:
                element.set("href", target)


class RepositoryLinksExtension(Extension):
    """Has :class:`RepositoryLinks` run before the links are checked."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Register it: after inline patterns (20), before MkDocs' own check of links (0)."""
        md.treeprocessors.register(RepositoryLinks(md), "repository_links", 10)


def on_config(config: MkDocsConfig) -> None:
    """Put the notebooks into the navigation, by name, and have links rewritten."""
    config.markdown_extensions.append(RepositoryLinksExtension())
    (section,) = [entry["Notebooks"] for entry in config.nav or [] if "Notebooks" in entry]
    section += [f"notebooks/{path.stem}.md" for path in notebooks()]


def notebooks() -> list[Path]:
    """The notebooks, in their order."""
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and pictures that are not in ``docs/``."""
    SITE.pages = dict(DOCUMENTS)
    made = {page: (ROOT / source).read_text("utf-8") for source, page in DOCUMENTS.items()}
    for path in notebooks():
        text, pictures = notebook_page(path)
        page = f"notebooks/{path.stem}.md"
        SITE.pages[f"notebooks/{path.name}"] = page
        made[page] = text
        for name, data in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=data))
    made["commands.md"] = command_page()
    written = {file.src_uri: file.content_string for file in files if file.src_uri.endswith(".md")}
    for source in sorted(linked_sources(written | made)):
        page = f"source/{source}.md"
        SITE.pages[source] = page
        made[page] = source_page(source)
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


def linked_sources(pages: dict[str, str]) -> set[str]:
    """The source files of the repository to which pages link."""
    found = set()
    for page, text in pages.items():
        folder = posixpath.dirname(SITE.origin(page))
        for link in _LINK.findall(text):
            path = posixpath.normpath(posixpath.join(folder, urlsplit(link).path))
            known = posixpath.splitext(path)[1] in LANGUAGES and not path.startswith("docs/")
            if known and (ROOT / path).is_file():
                found.add(path)
    return found


def source_page(source: str) -> str:
    """A page that shows one file."""
    language = LANGUAGES[posixpath.splitext(source)[1]]
    text = (ROOT / source).read_text("utf-8")
    head = "---\nsearch: {exclude: true}\nhide: [toc]\n---\n"
    return f"{head}# {source}\n\n~~~~{language}\n{text}~~~~\n"


def command_page() -> str:
    """What ``--help`` says of each command."""
    import typer

    from kvpr_opt.cli.app import app

    parts = ["# Commands\n\nWhat `kvpr-opt COMMAND --help` says.\n"]
    top: Any = typer.main.get_command(app)

    def add(command: Any, name: str, level: int) -> None:
        context = command.make_context(name, [], resilient_parsing=True, terminal_width=88)
        context.max_content_width = 88
        heading = "#" * level + " " + name
        parts.append(f"{heading}\n\n~~~~text\n{command.get_help(context).strip()}\n~~~~\n")
        for below in getattr(command, "commands", {}).values():
            add(below, f"{name} {below.name}", level + 1 if name == "kvpr-opt" else level)

    add(top, "kvpr-opt", 2)
    return "\n".join(parts)


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> None:
    """Note which page the links that come are of."""
    SITE.current = page.file.src_uri


_FORMULA = re.compile(
    r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL | re.MULTILINE
)


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Set formulas in MathML, which browsers show by themselves, offline."""

    def formula(found: re.Match[str]) -> str:
        text = found[2].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        return convert(text, display="block" if found[1] == "div" else "inline")

    return _FORMULA.sub(formula, html)
