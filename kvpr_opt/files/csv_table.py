"""CSV as spreadsheets write it: a header, then one record a row."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from kvpr_opt.errors import InputError
from kvpr_opt.files.tree import shown

#: What may separate the columns; the header tells which one does.
_SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Table:
    """The columns of a CSV file and its rows.

    Attributes
    ----------
    columns
        The header, in lower case, with underscores for spaces and hyphens.
    rows
        Row number (the header is row 1) and the values by column, empty cells left out.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]


def csv_table(text: str, source: str = "") -> Table:
    """Read a CSV file: with double quotes where a value needs them.

    Columns are separated by commas or, where the header has none, by semicolons or
    tabs. Rows without any value are skipped but counted, and so are columns at the end
    that have neither a name nor a value: spreadsheets leave both behind.

    Parameters
    ----------
    text
        The file's content.
    source
        The file, for errors.

    Raises
    ------
    InputError
        If there is no header, a column has no name or the name of another, a row
        has more or fewer values than the header, or a quote is not closed.
    """
    # With newline="" a line break within quotes stays as it is.
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=separator(text), strict=True)
    columns: tuple[str, ...] = ()
    rows = []
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = _header(cells, number)
            else:
                rows.append((number, _record(columns, cells, number)))
    except csv.Error as error:
        raise InputError(f"not CSV: {error}", place=f"row {number + 1}", source=source) from None
    except InputError as error:
        raise error.within(source=source) from None
    if not columns:
        raise InputError("no header; the file is empty", source=source)
    return Table(columns, tuple(rows))


def separator(text: str) -> str:
    """What separates the columns of a CSV file: the first of , ; and tab in its first line."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return next((mark for mark in _SEPARATORS if mark in first), ",")


def header_of(text: str) -> tuple[str, ...]:
    """What would be the columns, if this text was CSV."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return tuple(map(_column, first.split(separator(text))))


def _column(cell: str) -> str:
    return cell.strip().strip('"').strip().lower().replace(" ", "_").replace("-", "_")


def _header(cells: list[str], number: int) -> tuple[str, ...]:
    while not cells[-1].strip():
        cells = cells[:-1]
    columns: dict[str, None] = {}
    for index, cell in enumerate(cells, start=1):
        column = _column(cell)
        if not column:
            raise InputError(f"column {index} has no name", place=f"row {number}")
        if column in columns:
            raise InputError(f"duplicate column {shown(column)}", place=f"row {number}")
        columns[column] = None
    return tuple(columns)


def _record(columns: tuple[str, ...], cells: list[str], number: int) -> dict[str, str]:
    while len(cells) > len(columns) and not cells[-1].strip():
        cells = cells[:-1]
    if len(cells) != len(columns):
        comma = (
            "; a decimal comma? write decimals with a point" if len(cells) > len(columns) else ""
        )
        raise InputError(
            f"{len(cells)} values, the header has {len(columns)} columns{comma}",
            place=f"row {number}",
        )
    values = zip(columns, cells, strict=True)
    return {column: cell for column, cell in values if cell.strip()}
