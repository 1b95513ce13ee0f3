"""The stand-in for a hub of models, asked by `huggingface_hub` itself: what it takes for a hub, our own client is tested
against (`tests/it/models.rs`). Skipped where that package is not installed.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("huggingface_hub")

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = ROOT / "tests/fixtures/models/qwen2"
FETCH = """
import huggingface_hub, json, sys
info = huggingface_hub.HfApi().model_info("stand-in/model", files_metadata=True)
names = [file.rfilename for file in info.siblings]
files = {name: huggingface_hub.hf_hub_download("stand-in/model", name, revision=info.sha) for name in names}
meta = huggingface_hub.get_hf_file_metadata(huggingface_hub.hf_hub_url("stand-in/model", "model.safetensors"))
errors = []
for repo, revision in [("stand-in/none", "main"), ("stand-in/model", "v9")]:
    try:
        huggingface_hub.hf_hub_download(repo, "config.json", revision=revision)
    except Exception as error:
        errors.append(type(error).__name__)
siblings = {file.rfilename: [file.size, file.lfs and file.lfs.sha256] for file in info.siblings}
print(json.dumps({"files": files, "etag": meta.etag, "siblings": siblings, "errors": errors}))
"""


def target():
    """The folder of the debug build."""
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"


def test_huggingface_hub_takes_the_stand_in_for_a_hub(tmp_path):
    program = target() / "stand-in-hub"
    if not program.exists():
        pytest.skip("no stand-in-hub: `cargo build --workspace`")
    hub = subprocess.Popen([program, FOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        address = hub.stdout.readline().strip()
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        environment |= {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}
        done = subprocess.run([sys.executable, "-c", FETCH], env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    finally:
        requests, _ = hub.communicate("", timeout=60)
    said = json.loads(done.stdout.splitlines()[-1])
    for file in FOLDER.iterdir():
        assert pathlib.Path(said["files"][file.name]).read_bytes() == file.read_bytes()
    size, sha256 = said["siblings"]["model.safetensors"]
    assert size == (FOLDER / "model.safetensors").stat().st_size
    assert said["etag"] == sha256
    assert said["errors"] == ["RepositoryNotFoundError", "RevisionNotFoundError"]
    # The first connection for the large file is cut, so that it is asked for again.
    assert requests.count("of_blobs: true") >= 2
