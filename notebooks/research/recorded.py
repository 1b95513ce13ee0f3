"""A server that speaks the protocol of OpenAI and says what is written in a file: no model is in it.

    python recorded.py episode.md 8173

The file holds replies, one below the other, with a line `<!-- next -->` between them. Each request for a chat completion
gets the next one, as a stream. The model's name says what it is: `recorded words, no model`.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

MODEL = "recorded words, no model"


class Recorded(BaseHTTPRequestHandler):
    """Answers from `replies`, in order."""

    replies: list[str]

    def do_GET(self) -> None:
        self.say("application/json", json.dumps({"data": [{"id": MODEL, "max_model_len": 131072}]}))

    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers["content-length"]))
        if not self.replies:
            return self.send_error(500, "the recording has ended")
        text = self.replies.pop(0)
        # About four letters a token, as servers count.
        usage = {"prompt_tokens": len(request) // 4, "completion_tokens": len(text) // 4}
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": "stop"}
        events = [{"choices": [choice]}, {"choices": [], "usage": usage}]
        lines = [f"data: {json.dumps(event)}\n\n" for event in events]
        self.say("text/event-stream", "".join([*lines, "data: [DONE]\n\n"]))

    def say(self, content_type: str, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    file, port = Path(sys.argv[1]), int(sys.argv[2])
    Recorded.replies = [reply.strip() for reply in file.read_text().split("<!-- next -->")]
    server = HTTPServer(("127.0.0.1", port), Recorded)
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
