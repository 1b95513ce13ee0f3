"""Files of tables: workbooks, Parquet, Feather."""

import itertools
import os
import zipfile

from .columns import table
from .formats import Unreadable

# Rows that are read of a table, and cells of all of them: a workbook is slow to read.
ROWS = 50_000
CELLS = 1_000_000
SHEET_CELLS = 200_000

# Sheets of a workbook that are described.
SHEETS = 20

# What a workbook may unpack to, in bytes: its texts are held in memory whole.
UNPACKED = 512 << 20

# Feather files are read whole up to this, in bytes.
WHOLE = 256 << 20


def read_xlsx(path, found):
    """The sheets of a workbook; the header is the first row that is not empty."""
    import openpyxl

    if not zipfile.is_zipfile(path):
        raise Unreadable("no workbook: it is no archive of the kind that Excel writes")
    with zipfile.ZipFile(path) as archive:
        n_bytes = sum(member.file_size for member in archive.infolist())
    if n_bytes > UNPACKED:
        raise Unreadable(f"not read: it unpacks to {n_bytes:,} bytes")
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    for sheet in book.worksheets[:SHEETS]:
        rows = sheet.iter_rows(values_only=True)
        names = next((row for row in rows if any(cell is not None for cell in row)), None)
        if names is None:
            found["notes"].append(f"sheet {sheet.title[:40]} is empty")
            continue
        names = [f"column {at + 1}" if name is None else name for at, name in enumerate(names)]
        most = SHEET_CELLS // len(names)
        filled = (row for row in rows if any(cell is not None for cell in row))
        kept = [_row(row, len(names)) for row in itertools.islice(filled, most + 1)]
        is_all = len(kept) <= most
        count = max((sheet.max_row or 0) - 1, len(kept))
        found["tables"].append(table(sheet.title, names, kept[:most], count, sample=not is_all, estimate=True))
    if len(book.worksheets) > SHEETS:
        found["notes"].append(f"only {SHEETS} of {len(book.worksheets)} sheets were read")


def _row(row, width):
    return (tuple(row) + (None,) * width)[:width]


def read_parquet(path, found):
    """A Parquet file, whose own words tell how many rows it has."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        names = file.schema_arrow.names
        count = file.metadata.num_rows
        most = min(ROWS, CELLS // max(len(names), 1))
        batches, n_rows = [], 0
        for batch in file.iter_batches(batch_size=10_000, use_threads=False):
            batches.append(batch)
            n_rows += batch.num_rows
            if n_rows >= most:
                break
    found["tables"].append(_of_batches(names, batches, most, count))


def read_feather(path, found):
    """A Feather file of either version."""
    import pyarrow.feather

    if os.path.getsize(path) > WHOLE:
        raise Unreadable(f"not read: larger than {WHOLE >> 20} MB")
    whole = pyarrow.feather.read_table(path, use_threads=False)
    most = min(ROWS, CELLS // max(whole.num_columns, 1))
    batches = whole.slice(0, most).to_batches()
    found["tables"].append(_of_batches(whole.column_names, batches, most, whole.num_rows))


def _of_batches(names, batches, most, count):
    rows = (row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns)))
    rows = list(itertools.islice(rows, most))
    return table(None, names, rows, count, sample=len(rows) < count)
