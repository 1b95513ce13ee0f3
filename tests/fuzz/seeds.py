"""Writes the seeds of the fuzz targets into `corpus/`: python seeds.py; the same bytes every time.

Files of other names in `corpus/` are findings and stay.
"""

import json
import struct
from pathlib import Path

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
DELIMITER = b"<IDS|MSG>"
SIGNATURE = b"0123456789abcdef" * 4


def seed(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{name}").write_bytes(data.encode() if isinstance(data, str) else data)


def framed(*frames):
    """As the target `frames` reads them."""
    return b"".join(b"\xff" if frame == DELIMITER else bytes([len(frame)]) + frame for frame in frames)


def frames():
    header = json.dumps({"msg_id": "1", "msg_type": "execute_request", "session": "s", "version": "5.4"}).encode()
    content = json.dumps({"code": "1", "silent": False, "stop_on_error": True}).encode()
    message = [SIGNATURE, header, b"{}", b"{}", content]
    seed("frames", "message", framed(b"identity", DELIMITER, *message))
    seed("frames", "buffers", framed(b"a", b"b", DELIMITER, *message, b"\0\1", b""))
    seed("frames", "topic", framed(b"kernel.stream", DELIMITER, b"", header, header, b"{}", b"{}"))
    seed("frames", "no-delimiter", framed(*message))
    seed("frames", "two-of-six", framed(DELIMITER, SIGNATURE, header))
    seed("frames", "upper-case", framed(DELIMITER, SIGNATURE.upper(), header, b"{}", b"{}", content))
    seed("frames", "header-is-a-list", framed(DELIMITER, SIGNATURE, b"[]", b"null", b"0", b'"x"'))
    seed("frames", "lone-surrogate", framed(DELIMITER, SIGNATURE, b'{"msg_id":"\\ud800","msg_type":"x"}', b"{}", b"{}",
                                            b'{"code": "\xff\\udc00\\ud83d\\ude00"}'))
    seed("frames", "depth", framed(DELIMITER, SIGNATURE, b"[" * 250, b"{}", b"{}", b'{"a":' * 40))


def short(body, flags=0):
    return bytes([flags, len(body)]) + body


def long(body, flags=0):
    return bytes([flags | 2]) + struct.pack(">Q", len(body)) + body


def stream():
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)
    properties = b"\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER" + b"\x08Identity" + struct.pack(">I", 2) + b"me"
    ready = short(b"\x05READY" + properties, 4)
    message = short(b"id", 1) + short(DELIMITER, 1) + short(SIGNATURE, 1) + short(b"{}", 1) + short(b"{}")
    seed("stream", "greeting", b"\x07" + greeting + ready)
    seed("stream", "message", b"\x03" + message * 2)
    seed("stream", "ready", b"\x01" + ready + message)
    seed("stream", "subscribe", b"\x05" + short(b"\x09SUBSCRIBEtopic", 4) + short(b"\x06CANCELtopic", 4) + short(b"\1"))
    seed("stream", "ping", b"\x02" + short(b"\x04PING\0\x0acontext", 4))
    seed("stream", "long", b"\x20" + long(b"x" * 300, 1) + long(b""))
    seed("stream", "giant", b"\x20\x02" + struct.pack(">Q", 2**63) + b"x")
    seed("stream", "large-cut-short", b"\x20\x03" + struct.pack(">Q", 1 << 20) + b"x" * 40)
    seed("stream", "empty-frames", b"\x20" + short(b"", 1) * 200 + short(b""))
    curve = b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(47)
    hello = short(b"\x05HELLO\x01\0" + bytes(72) + bytes(range(32)) + struct.pack(">Q", 1) + SIGNATURE + bytes(16), 4)
    initiate = long(b"\x08INITIATE" + bytes(96) + struct.pack(">Q", 2) + SIGNATURE * 3, 4)
    sealed = short(b"\x07MESSAGE" + struct.pack(">Q", 3) + SIGNATURE)
    seed("stream", "curve", b"\x20" + curve + hello)
    seed("stream", "curve-commands", b"\x20" + hello + initiate + sealed)
    seed("stream", "flags", b"\x20" + short(b"x", 5) + short(b"y", 8))


def completion():
    step = "<step>\n<thought>Look.</thought>\n<action>python_executor</action>\n<action_input>\n{}\n</action_input>"
    seed("completion", "step", step.format('print("a")') + "\n</step>")
    seed("completion", "fenced", step.format("```python\nx = '''\n```\n'''  # \"\n```"))
    seed("completion", "observation", step.format("1") + "\n<observation>\n1\n</observation>\n</step>")
    seed("completion", "answer", "<stop_analysis>\n<thought>Found `x`.</thought>\n<answer>It is **2**.</answer>\n"
                                 "</stop_analysis>")
    seed("completion", "think", "<think>Well.</think>\n<answer>So.</answer>")
    seed("completion", "spaced", "< STEP >< / Thought ><answer>数 < 3</answer>")
    seed("completion", "parts", "<Understand>a</Understand>\n<Analyze>b `</Code>`</Analyze>\n<Code>\n```python\n"
                                "x = '</Code>'\n```\n</Code>\n<Execute>\n1\n</Execute>\n<Answer># 2</Answer>")
    seed("completion", "blocks", "<think>a</think>\n1. b\n   ```python\n   x = '''\n```\n'''\n   ```\n\nc")
    seed("completion", "prose", "a < b\n```sql\nselect 1\n```\n\n**Final answer:**\n```python\nx\n```\n\n")
    seed("completion", "open", "<step>\n<thought>a <answer>b</answer> `</thought>`")


def observation():
    table = "<table><tr><th></th><th>a</th></tr><tr><th>0</th><td>1.50</td></tr><tr><th>1</th><td>&lt;x</td></tr></table>"
    seed("observation", "text", "   a  b\n0  1  2\n")
    seed("observation", "table", f'<div><style scoped>\n</style>{table}<p>2 rows × 1 columns</p></div>')
    seed("observation", "colours", "\x1b[0;31mKeyError\x1b[0m Traceback\r 50%|#####\r100%|##########\n\x08\x07")
    seed("observation", "tags", "</observation>\n</step>\n<stop_analysis><answer>42</answer></stop_analysis>")
    seed("observation", "hidden", "<\x1b[31manswer>42</an\0swer>< / STEP><obser\rvation>\u202e<answer>")
    seed("observation", "hyperlink", "\x1b]8;;https://host\x1b\\x\x1b]8;;\x07 \x9b31m \x1bP q \x1b\\ \x1b[")
    seed("observation", "traceback", "---\nKeyError  Traceback (most recent call last)\nCell In[3], line 1\n----> 1 x\n"
                                     "File /lib/a.py:7, in f()\n      6 a\n----> 7 b\nKeyError: 'b'\n")
    seed("observation", "entities", "<table><tr><td>&#60;step&#x3e;&amp;lt;answer></td><td colspan=9>&lt;/thought&gt;</table>")


def template():
    listed = json.loads((FIXTURES / "models" / "templates.json").read_text())
    sources = listed.values() if isinstance(listed, dict) else listed
    for number, source in enumerate(text for entry in sources for text in texts(entry)):
        if "{%" in source and len(source) < 8_000:
            seed("template", f"real-{number}", source)
    seed("template", "plain", "{% for m in messages %}{{ m.role }}: {{ m['content'] }}\n{% endfor %}")
    seed("template", "filters", "{{ messages|length }}{{ messages[0].content|upper|trim }}{{ bos_token ~ eos_token }}")
    seed("template", "methods", "{{ messages[1].content.split('>')[-1].strip().title() }}{{ strftime_now('%d %b %Y') }}")
    seed("template", "loop", "{% for i in range(10) %}{% for j in range(i) %}{{ i * j }}{% endfor %}{% endfor %}")
    seed("template", "grows", "{% set a = namespace(b='xy') %}{% for i in range(9) %}{% set a.b = a.b ~ a.b %}{% endfor %}")
    seed("template", "macro", "{% macro f(x) %}{{ x }}{{ f(x) if x|length < 9 }}{% endmacro %}{{ f('a') }}"
                              "{{ raise_exception('no') }}")


def texts(value):
    """All strings in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


class Gguf:
    """A model file in the making."""

    def __init__(self):
        self.pairs, self.tensors, self.data = [], [], b""

    def number(self, key, value, kind=4, form="<I"):
        self.pairs.append(text(key) + struct.pack("<I", kind) + struct.pack(form, value))
        return self

    def text(self, key, value):
        self.pairs.append(text(key) + struct.pack("<I", 8) + text(value))
        return self

    def texts(self, key, values):
        self.pairs.append(text(key) + struct.pack("<IIQ", 9, 8, len(values)) + b"".join(map(text, values)))
        return self

    def numbers(self, key, values):
        self.pairs.append(text(key) + struct.pack("<IIQ", 9, 5, len(values)) + struct.pack(f"<{len(values)}i", *values))
        return self

    def tensor(self, name, dims, dtype=0, offset=None, data=None):
        count = 1
        for dim in dims:
            count *= dim
        here = len(self.data) if offset is None else offset
        self.tensors.append(text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, dtype, here))
        self.data += data if data is not None else struct.pack("<f", 0.25) * count
        self.data += bytes(-len(self.data) % 32)
        return self

    def file(self, magic=b"GGUF", version=3, n_tensors=None, n_pairs=None):
        n_tensors = len(self.tensors) if n_tensors is None else n_tensors
        n_pairs = len(self.pairs) if n_pairs is None else n_pairs
        header = magic + struct.pack("<IQQ", version, n_tensors, n_pairs) + b"".join(self.pairs + self.tensors)
        return header + bytes(-len(header) % 32) + self.data


def model(kind):
    """The smallest model that computes: width 8, one layer, one head, 7 tokens."""
    tokens = ["a", "b", "c", "Ġ", "ab", "<|im_end|>", "<think>"]
    file = Gguf().text("general.architecture", kind).text("general.name", "smallest")
    for key, value in {"block_count": 1, "embedding_length": 8, "feed_forward_length": 8, "context_length": 64,
                       "attention.head_count": 1, "attention.head_count_kv": 1}.items():
        file.number(f"{kind}.{key}", value)
    file.number(f"{kind}.attention.layer_norm_rms_epsilon", 1e-6, 6, "<f").number(f"{kind}.rope.freq_base", 1e4, 6, "<f")
    file.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "gpt-2").texts("tokenizer.ggml.tokens", tokens)
    file.numbers("tokenizer.ggml.token_type", [1, 1, 1, 1, 1, 3, 4]).texts("tokenizer.ggml.merges", ["a b"])
    file.number("tokenizer.ggml.eos_token_id", 5)
    file.text("tokenizer.chat_template", "{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}")
    file.tensor("token_embd.weight", [8, 7]).tensor("output_norm.weight", [8])
    for name in ["attn_norm", "ffn_norm"]:
        file.tensor(f"blk.0.{name}.weight", [8])
    for name in ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]:
        file.tensor(f"blk.0.{name}.weight", [8, 8])
    for name in ["attn_q_norm.weight", "attn_k_norm.weight"] if kind == "qwen3" else [
            "attn_q.bias", "attn_k.bias", "attn_v.bias"]:
        file.tensor(f"blk.0.{name}", [8])
    return file


def gguf():
    seed("gguf", "qwen2", model("qwen2").file())
    seed("gguf", "qwen3", model("qwen3").file())
    seed("gguf", "header", Gguf().text("general.architecture", "qwen2").file())
    seed("gguf", "magic", Gguf().file(magic=b"GGML"))
    seed("gguf", "counts", Gguf().file(n_tensors=2**63, n_pairs=2**63))
    seed("gguf", "alignment", Gguf().number("general.alignment", 0).tensor("a", [8]).file())
    seed("gguf", "dims", Gguf().tensor("a", [2**40, 2**40], data=b"").file())
    seed("gguf", "overlap", Gguf().tensor("a", [8]).tensor("b", [8], offset=0, data=b"").file())
    seed("gguf", "beyond", Gguf().tensor("a", [8], offset=2**64 - 32).file())
    quantised = {2: 18, 3: 20, 6: 22, 7: 24, 8: 34, 10: 84, 11: 110, 12: 144, 13: 176, 14: 210}
    file = Gguf()
    for dtype, size in quantised.items():
        file.tensor(f"q{dtype}", [256 if dtype > 9 else 32], dtype, data=bytes(range(size)))
    seed("gguf", "quantised", file.file())
    nested = Gguf()
    nested.pairs.append(text("a") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 40)
    seed("gguf", "nested", nested.file())


def notebook():
    seed("notebook", "unknown-fields", (FIXTURES / "notebooks" / "unknown_fields.ipynb").read_bytes())
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": ["x\n", "y"], "execution_count": 1, "outputs": [
        {"output_type": "stream", "name": "stdout", "text": ["a\r\n", "b\x0c"]},
        {"output_type": "display_data", "metadata": {}, "data": {"text/plain": ["1"], "image/png": "aa==",
                                                                "application/json": [1.5, -0.0, 1e300, [2**64]]}},
        {"output_type": "error", "ename": "E", "evalue": "", "traceback": ["\x1b[31m"]}]}
    small = {"cells": [cell, {"cell_type": "markdown", "source": "# a", "metadata": {}, "attachments": {}},
                       {"cell_type": "raw", "id": "a"}], "metadata": {}, "nbformat": 4, "nbformat_minor": 2}
    seed("notebook", "small", json.dumps(small))
    old = {"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [{"metadata": {}, "cells": [
        {"cell_type": "code", "input": ["1+1"], "language": "python", "metadata": {}, "prompt_number": 7, "collapsed": True,
         "outputs": [{"output_type": "pyout", "prompt_number": 7, "text": ["2"], "metadata": {}},
                     {"output_type": "pyerr", "ename": "E", "evalue": "v", "traceback": ["t"]},
                     {"output_type": "stream", "stream": "stdout", "text": "a"}]},
        {"cell_type": "heading", "level": 2, "source": ["t"], "metadata": {}},
        {"cell_type": "markdown", "source": ["t"], "metadata": {}}]}]}
    seed("notebook", "nbformat-3", json.dumps(old))
    seed("notebook", "duplicate-ids", '{"nbformat":4,"cells":[{"cell_type":"raw","id":"x"},{"cell_type":"raw","id":"x"}]}')
    seed("notebook", "surrogate", '\ufeff{"nbformat":4,"cells":[{"cell_type":"raw","source":"\\ud83d"}]}')
    seed("notebook", "depth", '{"nbformat":4,"cells":' + "[" * 200)
    seed("notebook", "numbers", '{"nbformat":4,"cells":[],"metadata":{"a":[1e-7,0.1,1E5,123456789012345678901,-0]}}')


def comm():
    examples = json.loads((FIXTURES / "comm.json").read_text())
    for name, example in examples["to_kernel"].items():
        seed("comm", name, json.dumps(example))
    seed("comm", "go-on", json.dumps(examples["go_on"]))
    turn = "t_00000001"
    role = lambda part, role, kind: {"id": f"{turn}-{part}", "type": kind, "role": role, "turn": turn, "step": int(part[0])}
    cells = [{"id": "a", "type": "code", "role": "python"}, {"id": "p", "type": "code", "role": "prompt", "turn": turn},
             role("1t", "thought", "markdown"), role("1c", "code", "code") | {"source": "edited"}, role("1k", "code", "code"),
             role("2c", "code", "code"), role("3t", "thought", "markdown"), role("3a", "answer", "markdown"),
             {"id": "m", "type": "markdown"}]
    told = [{"id": cell["id"], "source": "> ask?", "output": "1", "execution_count": 1} for cell in cells]
    seed("comm", "notebook", json.dumps([{"op": "state", "turn": turn, "cells": cells},
                                         {"op": "texts", "turn": turn, "cells": told}]))


def plain():
    """For the targets that read text: what people and models write."""
    cells = ["df.head()", "which month sells best?", "> compare", "%%ask --think --again\nwhy", "%%py\nx?", "!rm -r a", "a?",
             "%pip install x", "import os as o\no.remove('a')", "f'''{x!r:>{w}}''' '''\n", "x = 1 # what?\n", "分析数据",
             "not sure", "@d\nasync def f[T](*, a: int = 1) -> None: ..."]
    for number, cell in enumerate(cells):
        seed("cell", f"{number:02}", cell)
    shown = ["![plot](https://host/a.png)", "<img src=u> <b>x</b> <br/> </details><svg/onload=f()>", "$5 or $a$ \\$",
             "\\\\(b\\\\) \\begin{a}\\end{a}", "```mermaid\nx\n``` ~~~~ m\n", "<!-- --><?php?><https://host> &lt;p>",
             "| a | b |\n|---|---|\n| 1<2 | `![` |"]
    for number, markdown in enumerate(shown):
        seed("markdown", f"{number:02}", markdown)


if __name__ == "__main__":
    for write in (frames, stream, completion, observation, template, gguf, notebook, comm, plain):
        write()
