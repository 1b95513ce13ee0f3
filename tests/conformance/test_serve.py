"""The analyst for programs: `datarus serve` asked with the public `openai` client, answered by the embedded model."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest

from processes import all_gone, family, wait_until

SALES = "region,revenue\nNorth,120.5\nSouth,100\nNorth,20\n"
MOST_WAITING = 8
"""Questions that wait in one thread, as in `kernel/src/serve/threads.rs`."""
QUESTION = "What is the mean of revenue for each region?"


@dataclass
class Served:
    """A server that runs. All that it writes to the disk is below `folder`."""

    process: subprocess.Popen
    base_url: str
    token: str
    folder: Path
    log: Path

    def client(self, token: str | None = None) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.base_url, api_key=token or self.token, timeout=300, max_retries=0)

    def raw(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes, dict]:
        """Status, body and headers of a request that the client would not make."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"} | headers
        request = urllib.request.Request(self.base_url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read(), dict(refused.headers)

    def end(self, number: signal.Signals) -> None:
        """Ends it by a signal; that this leaves neither a process nor a file is part of every test."""
        processes = family(self.process.pid)
        self.process.send_signal(number)
        assert self.process.wait(timeout=60) == 0
        wait_until("no process of the server is left", lambda: all_gone(processes))
        assert list(self.folder.iterdir()) == []


@contextmanager
def serving(datarus: str, *arguments: str, **variables: str) -> Iterator[Served]:
    """A server with a home and a folder for temporary files of its own; the name is short, sockets lie in it."""
    scratch = Path(tempfile.mkdtemp(prefix="dr-"))
    folder, home, log = scratch / "t", scratch / "home", scratch / "log"
    folder.mkdir()
    home.mkdir()
    known = ("DATARUS_BIN", "DATARUS_PYTHON", "DATARUS_SANDBOX")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DATARUS_") or key in known}
    environment = kept | {"HOME": str(home), "TMPDIR": str(folder)} | variables
    command = [datarus, "serve", "--port", "0", "--json", *arguments]
    with log.open("w") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment)
    try:
        told = ""
        while not told.endswith("}\n"):
            line = process.stdout.readline()
            assert line, f"expected the address of the server, found:\n{log.read_text()}"
            told += line
        told = json.loads(told)
        token = told["token"] or variables.get("DATARUS_TOKEN", "")
        yield Served(process, told["base_url"], token, folder, log)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture(scope="module")
def served(datarus: str) -> Iterator[Served]:
    with serving(datarus) as started:
        yield started
        started.end(signal.SIGTERM)


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with served.client() as client:
        yield client


def upload(client: openai.OpenAI, text: str = SALES, name: str = "sales.csv") -> str:
    return client.files.create(file=(name, text.encode()), purpose="user_data").id


def ask(client: openai.OpenAI, text: str, **more):
    """A completion; what is beyond the protocol is given as `extra_body`, as its clients do."""
    extra = {key: more.pop(key) for key in ("thread_id", "file_ids") if key in more}
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model="datarus", messages=messages, extra_body=extra, **more)


def begin(client: openai.OpenAI) -> str:
    return client.post("/threads", body={}, cast_to=object)["id"]


def content_of(stream: openai.Stream) -> str:
    """What a stream says of an answer, to its end."""
    return "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)


def roles(client: openai.OpenAI, thread: str) -> list[str]:
    """Who spoke in a thread, in order."""
    messages = client.get(f"/threads/{thread}/messages", cast_to=object)["data"]
    return [message["role"] for message in reversed(messages)]


def test_nobody_gets_in_without_the_token(served: Served) -> None:
    for token in ("other", served.token[:-1], served.token + "0"):
        with pytest.raises(openai.AuthenticationError) as refused, served.client(token) as other:
            other.models.list()
        assert refused.value.code == "invalid_api_key"
    for path in ("/models", "/files", "/nothing"):
        assert served.raw(path, Authorization="")[0] == 401


def test_a_page_that_was_led_here_by_its_name_is_refused(served: Served) -> None:
    status, body, _ = served.raw("/models", Host="evil.example")
    assert status == 403 and json.loads(body)["error"]["type"] == "permission_error"
    _, _, headers = served.raw("/models", "OPTIONS", Origin="https://evil.example")
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_a_client_is_told_of_a_connection_that_ends_before_all_was_read(served: Served) -> None:
    host, port = urllib.parse.urlsplit(served.base_url).netloc.split(":")

    def ends(token: str, path: str, body: bytes, length: int) -> bool:
        """Whether the answer says so; of a body of this length only a part is sent."""
        with socket.create_connection((host, int(port)), timeout=60) as line:
            head = f"POST /v1/{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            line.sendall(head.encode() + body)
            answer = http.client.HTTPResponse(line)
            answer.begin()
            return answer.getheader("connection") == "close"

    assert ends(served.token, "threads", b"", 2)
    assert ends("no token", "chat/completions", b"{", 2)
    assert not ends(served.token, "chat/completions", b"{}", 2)


def test_models_are_those_of_the_protocol(client: openai.OpenAI) -> None:
    (model,) = client.models.list().data
    assert model.object == "model" and model.owned_by == "datarus"
    assert client.models.retrieve(model.id) == model
    with pytest.raises(openai.NotFoundError, match="no model `other`"):
        client.models.retrieve("other")


def test_files_are_those_of_the_protocol(client: openai.OpenAI) -> None:
    file = client.files.create(file=("../sales.csv", SALES.encode()), purpose="user_data")
    assert (file.filename, file.bytes, file.status, file.purpose) == ("sales.csv", len(SALES), "processed", "user_data")
    assert client.files.retrieve(file.id).id == file.id
    assert client.files.content(file.id).text == SALES
    other = upload(client, "a\n1\n", "other.csv")
    assert [found.id for found in client.files.list().data][:2] == [other, file.id]
    assert client.files.delete(file.id).deleted
    for act in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match=f"no file `{file.id}`"):
            act(file.id)


def test_a_question_about_a_file_is_answered_whole_and_as_a_stream(client: openai.OpenAI) -> None:
    parts = [
        {"type": "text", "text": QUESTION},
        {"type": "file", "file": {"file_id": upload(client)}},
    ]
    whole = ask(client, parts)
    answer = whole.choices[0].message
    assert whole.choices[0].finish_reason == "stop" and answer.role == "assistant"
    assert "70.25" in answer.content and "100" in answer.content
    assert "```python" in answer.reasoning_content
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0

    said, reasons, usages, thought, ids = [], [], [], "", set()
    for chunk in ask(client, parts, stream=True, stream_options={"include_usage": True}):
        ids.add((chunk.id, chunk.thread_id))
        usages += [chunk.usage] if chunk.usage else []
        for choice in chunk.choices:
            said += [choice.delta.content] if choice.delta.content else []
            thought += getattr(choice.delta, "reasoning_content", None) or ""
            reasons += [choice.finish_reason] if choice.finish_reason else []
    assert ("".join(said), reasons, len(ids)) == (answer.content, ["stop"], 1)
    assert "```python" in thought and [usage.total_tokens for usage in usages] == [whole.usage.total_tokens]


def test_a_thread_keeps_its_variables_its_messages_and_its_folder(served: Served, client: openai.OpenAI) -> None:
    thread = begin(client)
    first = ask(client, "What is the average revenue?", thread_id=thread, file_ids=[upload(client)])
    assert first.thread_id == thread and "80.167" in first.choices[0].message.content
    assert "read_csv" in first.choices[0].message.reasoning_content
    second = ask(client, "How many rows does sales.csv have?", thread_id=thread)
    assert "3 rows" in second.choices[0].message.content
    assert "read_csv" not in second.choices[0].message.reasoning_content, "the variable is still there"
    assert roles(client, thread) == ["user", "assistant", "user", "assistant"]

    files = client.get(f"/threads/{thread}/files", cast_to=object)["data"]
    assert ("sales.csv", len(SALES)) in [(file["filename"], file["bytes"]) for file in files]
    folder = f"/threads/{thread}/files"
    assert served.raw(f"{folder}/sales.csv/content")[:2] == (200, SALES.encode())
    for name in ("none.csv", "..", "%2e%2e", "%2e%2e%2fsales.csv", "%2Fetc%2Fpasswd", "%ff"):
        status, body, _ = served.raw(f"{folder}/{name}/content")
        assert status in (400, 404) and json.loads(body)["error"]["message"], name

    assert client.delete(f"/threads/{thread}", cast_to=object)["deleted"]
    with pytest.raises(openai.NotFoundError, match="no thread"):
        ask(client, "And now?", thread_id=thread)


def test_a_chat_that_is_sent_whole_goes_on_in_its_thread(client: openai.OpenAI) -> None:
    def told(*messages: dict):
        return client.chat.completions.create(model="datarus", messages=list(messages))

    file = {"type": "file", "file": {"file_id": upload(client)}}
    first = {"role": "user", "content": [{"type": "text", "text": "What is the average revenue?"}, file]}
    begun = told(first)
    answer = {"role": "assistant", "content": f" {begun.choices[0].message.content}\n"}
    rows = {"role": "user", "content": "How many rows does sales.csv have?"}
    rules = {"role": "system", "content": "Be short."}
    for before in ([rules, first, answer], [first, answer]):
        # The second time it was asked already: then the thread has said more than the chat.
        went_on = told(*before, rows)
        assert (went_on.thread_id == begun.thread_id) == (rules in before)
        assert "3 rows" in went_on.choices[0].message.content
        has_read = "read_csv" in went_on.choices[0].message.reasoning_content
        assert has_read != (rules in before), "variables are where they were made, files also in a new thread"
    edited = told(first, {**answer, "content": "No."}, rows)
    assert edited.thread_id not in (begun.thread_id, went_on.thread_id)
    assert "3 rows" in edited.choices[0].message.content


def test_what_is_no_question_is_refused_in_the_form_of_the_protocol(served: Served, client: openai.OpenAI) -> None:
    def refused(kind, act, **expected) -> None:
        with pytest.raises(kind) as error:
            act()
        found = {name: getattr(error.value, name) for name in expected}
        assert found == expected and error.value.body["message"]

    no_user = [{"role": "system", "content": "x"}]
    create = client.chat.completions.create
    refused(openai.BadRequestError, lambda: create(model="any", messages=no_user), param="messages")
    refused(openai.BadRequestError, lambda: ask(client, "Which?", n=2), param="n")
    refused(openai.BadRequestError, lambda: client.post("/chat/completions", body=[], cast_to=object), param="messages")
    nothing = {"file_ids": ["file-none"]}
    refused(openai.NotFoundError, lambda: ask(client, "Which?", **nothing), param="file_id", code="not_found")
    refused(openai.NotFoundError, lambda: ask(client, "Which?", thread_id="none"), param="thread_id")
    refused(openai.NotFoundError, lambda: client.get("/assistants", cast_to=object), status_code=404)
    refused(openai.APIStatusError, lambda: client.put("/files", cast_to=object), status_code=405)
    refused(openai.APIStatusError, lambda: ask(client, "x" * (5 << 20)), status_code=413)
    twice = [upload(client), upload(client)]
    refused(openai.BadRequestError, lambda: ask(client, "Which?", file_ids=twice), param="file_ids")
    for path in ("/chat/completions", "/files"):
        status, body, _ = served.raw(path, "POST", b'{"messages": ')
        assert status == 400 and json.loads(body)["error"]["type"] == "invalid_request_error"


def test_a_closed_stream_stops_its_question(client: openai.OpenAI) -> None:
    thread = begin(client)
    # Reading it takes far longer than closing a connection.
    large = upload(client, "region,revenue\n" + "North,1\nSouth,2\n" * 3_000_000, "large.csv")
    small = upload(client)
    ask(client, "How many rows does sales.csv have?", thread_id=thread, file_ids=[small])
    question = "What is the average revenue by region in large.csv?"
    stream = ask(client, question, thread_id=thread, file_ids=[large], stream=True)
    with stream:
        next(chunk for chunk in stream if getattr(chunk.choices[0].delta, "reasoning_content", None))
    last = ask(client, "What is the highest revenue in sales.csv?", thread_id=thread)
    assert "120.5" in last.choices[0].message.content
    assert roles(client, thread) == ["user", "assistant", "user", "user", "assistant"], "the second has no answer"


def test_two_threads_answer_at_a_time_each_of_its_own_files(served: Served) -> None:
    tables = {"70.25": SALES, "7.5": "region,revenue\nNorth,5\nSouth,3\nNorth,10\n"}

    def answer(table: str) -> str:
        with served.client() as client:
            return ask(client, QUESTION, file_ids=[upload(client, table)]).choices[0].message.content

    with ThreadPoolExecutor(len(tables)) as pool:
        for expected, found in zip(tables, pool.map(answer, tables.values()), strict=True):
            assert expected in found


def test_questions_to_one_thread_wait_in_order_and_too_many_are_refused(client: openai.OpenAI) -> None:
    thread = begin(client)
    file = upload(client)
    question = "How many rows does sales.csv have?"
    # Its kernel has yet to start, so that all of them wait.
    streams = [ask(client, question, thread_id=thread, file_ids=[file], stream=True) for _ in range(MOST_WAITING)]
    with pytest.raises(openai.RateLimitError, match="questions wait"):
        ask(client, question, thread_id=thread)
    assert ["3 rows" in content_of(stream) for stream in streams[:2]] == [True, True]
    for stream in streams[2:]:
        stream.close()

    def is_free() -> bool:
        try:
            ask(client, question, thread_id=thread)
        except openai.RateLimitError:
            return False
        return True

    wait_until("questions whose clients have gone wait no more", is_free)


def test_a_thread_that_is_deleted_stops_its_question(client: openai.OpenAI) -> None:
    thread = begin(client)
    stream = ask(client, QUESTION, thread_id=thread, file_ids=[upload(client)], stream=True)
    next(stream)
    client.delete(f"/threads/{thread}", cast_to=object)
    with pytest.raises(openai.APIError, match="was stopped"):
        for _ in stream:
            pass


def test_the_idle_thread_that_was_asked_longest_ago_gives_way(datarus: str) -> None:
    with serving(datarus, "--max-threads", "2") as served, served.client() as client:
        file = upload(client)
        first, second = begin(client), begin(client)
        ask(client, "What is the average revenue?", thread_id=first, file_ids=[file])
        third = begin(client)
        with pytest.raises(openai.NotFoundError, match="gave way"):
            roles(client, second)
        question = "How many rows does sales.csv have?"
        busy = [ask(client, question, thread_id=id, file_ids=[file], stream=True) for id in (first, third)]
        with pytest.raises(openai.RateLimitError, match="all 2 threads are being asked"):
            begin(client)
        for stream in busy:
            assert "3 rows" in content_of(stream)
        served.end(signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_mid_question_and_nothing_is_left(datarus: str, number: signal.Signals) -> None:
    with serving(datarus) as served, served.client() as client:
        file = upload(client)
        idle = ask(client, "How many rows does sales.csv have?", file_ids=[file])
        stream = ask(client, QUESTION, file_ids=[file], stream=True)
        next(chunk for chunk in stream if getattr(chunk.choices[0].delta, "reasoning_content", None))
        assert idle.thread_id and len(list(served.folder.iterdir())) > 1 and len(family(served.process.pid)) > 2
        served.end(number)


def test_neither_a_token_nor_a_question_is_logged(datarus: str) -> None:
    token = "a-token-of-the-user"
    with serving(datarus, DATARUS_TOKEN=token, DATARUS_LOG="debug") as served, served.client() as client:
        ask(client, QUESTION, file_ids=[upload(client)])
        served.end(signal.SIGTERM)
        log = served.log.read_text()
        assert log and token not in log and QUESTION not in log


def test_a_token_that_could_be_guessed_is_refused(datarus: str) -> None:
    with pytest.raises(AssertionError, match="at least 16 characters"), serving(datarus, DATARUS_TOKEN="guess"):
        pass
