"""The models of a fleet from a CSV file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kvpr_opt.errors import InputError
from kvpr_opt.files.csv_table import Table, csv_table, header_of
from kvpr_opt.files.fleet_unit import fleet_unit
from kvpr_opt.files.model_folders import with_folders
from kvpr_opt.files.records import MODEL_LISTS, MODEL_NUMBERS, check_model_keys, models
from kvpr_opt.files.tree import Tree, shown
from kvpr_opt.problem.instance import GPU, Instance

#: Columns that a file of models has, by our names and by those of the public benchmark.
_TELLTALE = ("name", "model_name")

# A number with one comma, and perhaps a unit; groups of three digits may be thousands.
_COMMA = re.compile(r"\s*-?(\d+),(\d+)\s*[A-Za-z]*\s*")


def looks_like_csv(text: str) -> bool:
    """Whether a text without the name of a file is CSV: its first line names the columns."""
    columns = header_of(text)
    return len(columns) > 1 and any(column in columns for column in _TELLTALE)


def csv_fleet(text: str, gpus: list[GPU], base: Path) -> Instance:
    """The fleet of these GPUs and the models of a CSV file; folders are relative to `base`.

    Raises
    ------
    InputError
        For a row that is not a model; the error names the row and the column.
    """
    table = csv_table(text)
    check_model_keys(table.columns, "header")
    decimal_commas = _decimal_commas(table)
    records = [
        (f"row {number}", _record(values, decimal_commas=decimal_commas))
        for number, values in table.rows
    ]
    rows = with_folders(records, base)
    unit = fleet_unit(None, [], rows, plain_gpus=True)
    made = models(rows, unit)
    try:
        return Instance(gpus, made, unit)
    except InputError as error:
        place = re.sub(r"^models\[(\d+)\]", lambda match: rows[int(match[1])][0], error.place)
        raise InputError(error.message, place=place) from None


def _record(values: dict[str, str], *, decimal_commas: bool) -> Tree:
    """A row as a record; several names in one cell are separated by semicolons."""
    record: dict[str, Tree] = dict(values)
    for key in MODEL_LISTS:
        if key in values:
            record[key] = [name.strip() for name in values[key].split(";")]
    if decimal_commas:
        record |= {key: values[key].replace(",", ".") for key in MODEL_NUMBERS if key in values}
    return record


def _decimal_commas(table: Table) -> bool:
    """Whether the numbers of the file have decimal commas, beyond doubt.

    Raises
    ------
    InputError
        If commas may also be those of thousands, or there are points, too.
    """
    written = list(_numbers(table))
    with_comma = [(place, text) for place, text in written if "," in text]
    if not with_comma:
        return False
    matches = [_COMMA.fullmatch(text) for _, text in with_comma]
    points = any("." in text for _, text in written)
    certain = any(match and (len(match[2]) != 3 or match[1] == "0") for match in matches)
    if all(matches) and certain and not points:
        return True
    place, text = with_comma[0]
    raise InputError(
        f"{shown(text)} has a comma, which may stand before decimals or between thousands; "
        "write decimals with a point and thousands without a mark",
        place=place,
    )


def _numbers(table: Table) -> Iterator[tuple[str, str]]:
    for number, values in table.rows:
        for key in (*MODEL_NUMBERS, "model_size"):
            if key in values:
                yield f"row {number}.{key}", values[key]
