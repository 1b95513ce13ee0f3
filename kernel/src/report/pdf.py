"""Sets `main.typ` in the working folder as `report.pdf`, and prints what came of it as JSON.

The arguments are lists of names of font families, joined by `|`; of each list one must be there.
"""

import json
import pathlib
import re
import sys

# How Typst says that PDF/UA forbids what no font can show.
WITHOUT_FONT = re.compile(r'the text `"((?:[^"\\]|\\.)*)"` could not be displayed')


def is_drawn(typst, name):
    """Whether a picture can be decoded."""
    source = f'#image("{name}", alt: "", width: 10pt)'
    try:
        return bool(typst.compile(source.encode(), root=".", format="pdf"))
    except typst.TypstError:
        return False


def set_pages(typst, inputs):
    """Sets the pages; says why they are not PDF/UA, if they cannot be."""
    try:
        typst.compile("main.typ", output="report.pdf", sys_inputs=inputs, pdf_standards=["ua-1"])
        return {}
    except typst.TypstError as error:
        # Pages that not everybody can listen to are better than none.
        typst.compile("main.typ", output="report.pdf", sys_inputs=inputs)
        letters = list(dict.fromkeys(WITHOUT_FONT.findall(error.diagnostic)))
        return {"not_ua": {"letters": letters, "why": error.message}}


def main():
    try:
        import typst
    except ImportError:
        return {"missing": "typst"}
    families = set(typst.Fonts().families())
    without = [at for at, names in enumerate(sys.argv[1:]) if not families & set(names.split("|"))]
    if without:
        return {"without_font": without}
    pictures = sorted(path.name for path in pathlib.Path().glob("figure-*"))
    broken = [name for name in pictures if not is_drawn(typst, name)]
    inputs = {"broken": ",".join(broken)}
    try:
        return set_pages(typst, inputs) | {"broken": broken}
    except typst.TypstError as error:
        return {"error": f"{error.message}\n{error.diagnostic}"}


print(json.dumps(main()))
