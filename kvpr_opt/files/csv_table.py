"""CSV: a header, then one record a row."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from kvpr_opt.errors import InputError
from kvpr_opt.files.tree import shown


@dataclass(frozen=True)
class Table:
    """The columns of a CSV file and its rows.

    Attributes
    ----------
    columns
        The header.
    rows
        Row number (the header is row 1) and the values by column, empty cells left out.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]


def csv_table(text: str, source: str = "") -> Table:
    """Read a CSV file: comma-separated, with double quotes where a value needs them.

    Blank lines are passed over, but counted.

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
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns: tuple[str, ...] = ()
    rows = []
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            if not cells:
                continue
            if not columns:
                columns = _header(cells, number)
                continue
            if len(cells) != len(columns):
                raise InputError(
                    f"{len(cells)} values, the header has {len(columns)} columns",
                    place=f"row {number}",
                )
            values = zip(columns, cells, strict=True)
            rows.append((number, {column: cell for column, cell in values if cell}))
    except csv.Error as error:
        raise InputError(f"not CSV: {error}", place=f"row {number + 1}", source=source) from None
    except InputError as error:
        raise error.within(source=source) from None
    if not columns:
        raise InputError("no header; the file is empty", source=source)
    return Table(columns, tuple(rows))


def _header(cells: list[str], number: int) -> tuple[str, ...]:
    columns: dict[str, None] = {}
    for index, cell in enumerate(cells, start=1):
        column = cell.strip()
        if not column:
            raise InputError(f"column {index} has no name", place=f"row {number}")
        if column in columns:
            raise InputError(f"column {shown(column)} is there twice", place=f"row {number}")
        columns[column] = None
    return tuple(columns)
