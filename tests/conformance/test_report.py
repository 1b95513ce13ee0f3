"""Reports, read by the parsers of other people: html5lib, python-docx, PDFium, nbformat, papermill."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import docx
import html5lib
import nbformat
import pypdfium2
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
XHTML = "{http://www.w3.org/1999/xhtml}"

# One pixel, and a file that only begins like a picture.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
BROKEN_PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"x" * 60).decode()
JS = "javascript:window.ran=1"
TEXT = f"""a<script>window.ran=1</script> [x]({JS}) ![y](http://leak.invalid/p.png) <img src=http://leak.invalid/i onerror=ran()>
#sys.inputs #"\\" ]]> $x$ \\end{{}} \u202eevil\u0007 `code` **b** | c |"""


def cell(kind: str, source: str, outputs: list[dict] = [], **datarus: object) -> dict:
    made = {"cell_type": kind, "id": datarus.pop("id", None), "metadata": {"datarus": datarus} if datarus else {}, "source": source}
    return made | ({"outputs": outputs, "execution_count": 7} if kind == "code" else {})


def display(**data: object) -> dict:
    return {"output_type": "display_data", "metadata": {}, "data": {key.replace("__", "/"): value for key, value in data.items()}}


def hostile() -> dict:
    """A notebook whose author means harm, or made every mistake there is."""
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" onload="ran()"><script>ran()</script><image href="http://leak.invalid/s"/><rect width="9" height="9"/></svg>'
    html = "<div onclick=ran()>t</div><style>*{background:url(http://leak.invalid/c)}</style><table><tr><th>k<td>v</table><iframe src=http://leak.invalid/f></iframe>"
    turn = {"turn": "t_1"}
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"datarus": {"datasets": [{"path": TEXT, "sha256": 7, "rows": "x"}, 5], "env": {"packages": {TEXT: TEXT}}, "version": [1]}},
        "cells": [
            cell("markdown", f"# {TEXT}\n\n##### deep\n\n# again\n\n- a\n  1. b\n     > c\n\n|a|b|\n|-|-|\n|{'1'}|\n", id='"><script>ran()</script>'),
            cell("raw", TEXT, id="raw"),
            cell("code", TEXT, [display(text__html=html), display(**{"image__svg+xml": svg}), display(image__png=BROKEN_PNG), display(image__png="<script>"), {"output_type": "error", "ename": TEXT, "evalue": "", "traceback": []}, 5, {"output_type": "stream", "name": "stdout", "text": TEXT * 900}], id="a b"),
            cell("code", f"> {TEXT}", role="prompt", **turn, status="done", model=TEXT, tokens="x", sampling=[], notices=[TEXT, 5]),
            cell("markdown", f"<details><summary>x</summary>\n\n{TEXT}\n\n</details>", role="thought", **turn, step=1),
            cell("code", TEXT, [display(image__png=PNG), display(text__markdown=TEXT)], role="code", **turn, step=1, seconds="x"),
            cell("markdown", f"[5](#cell-id=nowhere) 6<sup>?</sup> {'> ' * 3000}{TEXT}", role="answer", **turn, numbers_not_found=["6", 5, TEXT]),
            {"cell_type": "markdown", "source": 5, "metadata": None},
            {"cell_type": "code", "outputs": "x"},
        ],
    }


def languages() -> dict:
    said = ["哪个地区增长最快？", "どの地域が一番伸びましたか？", "어느 지역이 가장 빨리 성장했나요?", "ما هي المنطقة الأسرع نموا؟"]
    cells = [cell("markdown", "# Four scripts")]
    for at, question in enumerate(said):
        turn = {"turn": f"t_{at}"}
        cells += [
            cell("code", question, role="prompt", **turn, status="done"),
            cell("markdown", f"{question} **120.5**", role="answer", **turn),
        ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


def made(datarus: str, folder: Path, notebook: dict | Path, to: str, *arguments: str) -> Path:
    """The report of a notebook."""
    source = folder / "n.ipynb"
    if isinstance(notebook, dict):
        for at, one in enumerate(notebook["cells"]):
            one["id"] = one.get("id") or f"c{at}"
        source.write_text(json.dumps(notebook))
    else:
        shutil.copy(notebook, source)
    run = [datarus, "report", "n.ipynb", "--to", to, "-o", f"out.{to}", *arguments]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder / f"out.{to}"


@pytest.fixture(params=["hostile", "languages", *sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))])
def notebook(request: pytest.FixtureRequest) -> dict | Path:
    own = {"hostile": hostile, "languages": languages}
    return own[request.param]() if request.param in own else NOTEBOOKS / request.param


@pytest.fixture(params=["reader", "reviewer"])
def audience(request: pytest.FixtureRequest) -> list[str]:
    return ["--audience", request.param]


def page_of(file: Path):
    """The page; a mistake in its HTML is an error."""
    return html5lib.HTMLParser(strict=True).parse(file.read_text())


def elements(page, name: str) -> list:
    return list(page.iter(XHTML + name))


def test_a_page_is_one_sound_file_that_runs_and_loads_nothing(datarus: str, tmp_path: Path, notebook, audience) -> None:
    page = page_of(made(datarus, tmp_path, notebook, "html", *audience))
    for name in ["script", "iframe", "link", "object", "form", "svg", "base"]:
        assert not elements(page, name), name
    for element in page.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on"), (element.tag, name)
            if name in ("src", "href", "data", "action", "background"):
                harmless = value.startswith(("data:image/", "#", "http://", "https://", "mailto:"))
                assert harmless and (element.tag == XHTML + "a" or value.startswith("data:")), (element.tag, value)
        if element.tag == XHTML + "style":
            assert "url(" not in element.text and "@import" not in element.text


def test_a_page_can_be_read_by_everybody(datarus: str, tmp_path: Path, notebook, audience) -> None:
    page = page_of(made(datarus, tmp_path, notebook, "html", *audience))
    assert page.get("lang") and elements(page, "title")[0].text.strip()
    levels = [int(element.tag[-1]) for element in page.iter() if re.fullmatch(re.escape(XHTML) + "h[1-6]", str(element.tag))]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:])), levels
    assert all(image.get("alt") for image in elements(page, "img"))
    # Tables of outputs that are styled stay as they are.
    own = [region for region in elements(page, "div") if region.get("aria-label") == "Table"]
    heads = [head for region in own for head in region.iter(XHTML + "th")]
    assert all(head.get("scope") in ("col", "row") for head in heads)
    ids = [element.get("id") for element in page.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    inner = [link.get("href")[1:] for link in elements(page, "a") if link.get("href", "").startswith("#")]
    assert set(inner) <= set(ids) and inner[0] == "text"


def test_a_document_opens_in_python_docx(datarus: str, tmp_path: Path, notebook, audience) -> None:
    document = docx.Document(str(made(datarus, tmp_path, notebook, "docx", *audience)))
    title, *others = document.paragraphs
    assert title.style.name == "Title" and title.text.strip()
    levels = [int(paragraph.style.name[-1]) for paragraph in others if paragraph.style.name.startswith("Heading")]
    assert all(after <= before + 1 for before, after in zip([1, *levels], levels)), levels
    body = document.element.body
    names = set(body.xpath("//w:bookmarkStart/@w:name"))
    assert set(body.xpath("//w:hyperlink/@w:anchor")) <= names
    assert all(body.xpath("//wp:docPr/@descr"))
    assert len(body.xpath("//pic:pic")) == len(document.inline_shapes)
    for row in body.xpath("//w:tbl"):
        widths = {len(one.xpath("./w:tc")) for one in row.xpath("./w:tr")}
        assert len(widths) == 1, widths


def test_pages_have_numbers_links_and_whole_figures(datarus: str, tmp_path: Path, notebook, audience) -> None:
    if notebook == languages():
        pytest.skip("fonts for all scripts are on few machines; the test below")
    pdf = pypdfium2.PdfDocument(made(datarus, tmp_path, notebook, "pdf", "--python", sys.executable, *audience))
    texts = [page.get_textpage().get_text_range() for page in pdf]
    for at, text in enumerate(texts):
        assert f"{at + 1} / {len(pdf)}" in text, text[-80:]
    assert pdf.get_metadata_dict()["Title"]
    height, width = 842, 596
    for page in pdf:
        for image in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]):
            left, bottom, right, top = image.get_bounds()
            assert 0 <= left < right <= width and 0 <= bottom < top <= height


def test_letters_without_a_font_and_headings_without_words_stop_no_pages(datarus: str, tmp_path: Path) -> None:
    text = "# Growth \U0010fffd\n\n#\n\n## ![](x)\n\nIt grew \ue123\U0010fffd by 5."
    turn = {"turn": "t_1"}
    cells = [
        cell("markdown", text, id="a"),
        cell("code", "> #", role="prompt", **turn, status="done", id="b"),
        cell("markdown", "#\n\nYes.", role="answer", **turn, id="c"),
    ]
    (tmp_path / "n.ipynb").write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    run = [datarus, "report", "n.ipynb", "--to", "pdf", "--python", sys.executable]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "the PDF is not PDF/UA: no font here has " in done.stderr
    shown = pypdfium2.PdfDocument(tmp_path / "n-report.pdf")[0].get_textpage().get_text_range()
    assert "by 5." in shown and "Question 1" in shown
    cells[0]["source"] = text.replace("\U0010fffd", "").replace("\ue123", "")
    (tmp_path / "n.ipynb").write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, "not PDF/UA" in done.stderr) == (0, False), done.stderr


def test_a_script_without_a_font_is_named(datarus: str, tmp_path: Path) -> None:
    notebook = languages()
    (tmp_path / "n.ipynb").write_text(json.dumps(notebook | {"cells": notebook["cells"][:3]}))
    run = [datarus, "report", "n.ipynb", "--to", "pdf", "--python", sys.executable]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    if done.returncode == 0:
        text = pypdfium2.PdfDocument(tmp_path / "n-report.pdf")[0].get_textpage().get_text_range()
        assert "哪个地区" in text
    else:
        assert done.returncode == 3
        assert "has Chinese text and no font for it is here" in done.stderr


def test_a_python_without_typst_is_told_what_to_install(datarus: str, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True, timeout=120)
    shutil.copy(NOTEBOOKS / "penguins.ipynb", tmp_path / "n.ipynb")
    run = [datarus, "report", "n.ipynb", "--to", "pdf", "--python", str(bare / "bin/python")]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "-m pip install typst" in done.stderr
    assert not (tmp_path / "n-report.pdf").exists()


def test_markdown_keeps_text_as_text_and_its_pictures_beside_it(datarus: str, tmp_path: Path, notebook, audience) -> None:
    text = made(datarus, tmp_path, notebook, "md", *audience).read_text()
    prose = re.sub(r"(?ms)^(`{3,}).*?^\1$", "", text)
    prose = re.sub(r"(`+)[^`\n].*?\1", "", prose)
    assert not re.search(r"<(?!/?(details|summary|sup|sub|a)\b)[a-z]", prose), prose
    for picture in re.findall(r"(?<!\\)!\[[^\n]*?(?<!\\)\]\(([^)]*)\)", prose):
        assert (tmp_path / picture).is_file(), picture


def test_a_clean_notebook_replays_and_holds_of_ours_only_what_it_is_checked_by(datarus: str, tmp_path: Path, audience) -> None:
    shutil.copytree(NOTEBOOKS / "data", tmp_path / "data")
    file = made(datarus, tmp_path, NOTEBOOKS / "penguins.ipynb", "ipynb", *audience)
    clean = nbformat.read(file, as_version=4)
    nbformat.validate(clean)
    assert clean.metadata.kernelspec.name == "python3"
    assert set(clean.metadata.datarus) == {"datasets", "env"}
    ours = [one.metadata.get("datarus", {}) for one in clean.cells]
    assert set().union(*ours) == {"role", "turn", "status"}
    assert not any("datarus-" in tag for one in clean.cells for tag in one.metadata.get("tags", []))
    run = [sys.executable, "-m", "papermill", "out.ipynb", "again.ipynb"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    again = nbformat.read(tmp_path / "again.ipynb", as_version=4)
    outputs = lambda notebook: [[output.get("text") or output["data"] for output in one.outputs] for one in notebook.cells if one.cell_type == "code"]
    assert outputs(again) == outputs(clean)


def test_reader_and_reviewer_are_told_what_they_need(datarus: str, tmp_path: Path) -> None:
    reader = made(datarus, tmp_path, NOTEBOOKS / "penguins.ipynb", "html").read_text()
    reviewer = made(datarus, tmp_path, NOTEBOOKS / "penguins.ipynb", "html", "--audience", "reviewer").read_text()
    weights = hashlib.sha256((NOTEBOOKS.parent / "agent/embedded/datarus-mini.gguf").read_bytes()).hexdigest()
    facts = [weights, "f204db2c753b0937caac3cb35258562c14f073e4bbc76be24b4c51ce22767a93", "pandas", "3.1.1", "Seed", "Tokens read"]
    for fact in facts:
        assert fact in reviewer, fact
        assert fact == "pandas" or fact not in reader, fact
    assert reader.count("<details>") >= 6 and "datarus-mini" not in reader


def test_json_says_what_was_written(datarus: str, tmp_path: Path) -> None:
    shutil.copy(NOTEBOOKS / "penguins.ipynb", tmp_path / "n.ipynb")
    run = [datarus, "report", "n.ipynb", "--to", "md", "--json"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    said = json.load(io.StringIO(done.stdout))
    assert (said["report"], said["questions"], said["numbers_linked"], said["numbers_not_found"]) == ("n-report.md", 6, 13, [])
    assert all((tmp_path / picture).is_file() for picture in said["pictures"]) and said["pictures"]
    same = [datarus, "report", "n.ipynb", "-o", "n.ipynb"]
    assert subprocess.run(same, cwd=tmp_path, capture_output=True, timeout=60).returncode == 2
