"""The page of the formulations: its examples run, and its tables are those of the registry."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import formulations
from formulations.registry import ENTRIES

PAGE = Path(formulations.__path__[0]) / "README.md"
TEXT = PAGE.read_text(encoding="utf-8")


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found, title
    return found[1]


def names_in(table: str) -> dict[str, list[str]]:
    """The cells of a table's rows by the name in their first cell."""
    rows = re.findall(r"^\| \[?`(\w+)`[^|]*\|(.*)\|$", table, re.MULTILINE)
    cells = {name: re.split(r"(?<!\\)\|", row) for name, row in rows}
    return {name: [cell.strip() for cell in row] for name, row in cells.items()}


def test_the_examples_run_and_print_what_the_page_says() -> None:
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(verbose=False)
    # The fence that closes a block is not what it prints.
    text = TEXT.replace("\n```", "\n")
    example = parser.get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    assert len(example.examples) > 20
    output: list[str] = []
    runner.run(example, out=output.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(output)


def test_every_formulation_is_in_the_tables_and_in_the_example() -> None:
    assert set(names_in(section("The models"))) == set(ENTRIES)
    assert set(re.findall(r"^### `(\w+)`$", section("A worked example"), re.M)) == set(ENTRIES)


def test_the_table_of_capabilities_is_that_of_the_registry() -> None:
    table = names_in(section("What they can do"))
    yes = {True: "yes", False: "no"}
    assert table == {
        name: [
            yes[entry.capabilities.constraints],
            yes[entry.capabilities.classes],
            yes[entry.capabilities.hints],
            entry.capabilities.proof,
            yes[entry.capabilities.export],
        ]
        for name, entry in ENTRIES.items()
    }
    assert all(entry.capabilities.mixed_memory for entry in ENTRIES.values())


def test_what_each_one_answers_is_that_of_the_registry() -> None:
    verb = {"threshold": "decides", "optimum": "minimises"}
    for name, row in names_in(section("The models")).items():
        capabilities = ENTRIES[name].capabilities
        always = "" if capabilities.complete else ", not always"
        assert row[0] == verb[capabilities.answers] + always


def test_every_file_opens_with_its_model_written_out() -> None:
    folder = PAGE.parent
    for entry in [*ENTRIES.values()]:
        text = (folder / f"{entry.module.rpartition('.')[2]}.py").read_text(encoding="utf-8")
        opening = text.split('"""')[1]
        for part in ("Data\n", "Size\n", "Validity\n", "Strength\n", "Reference\n"):
            assert part in opening, (entry.module, part)
        assert "doi:" in opening
