"""The assistant example, with its rules and with a model that speaks OpenAI's protocol."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Model(BaseHTTPRequestHandler):
    """Calls `transfer` in pieces for each number it is told, and else repeats what was said."""

    asked: list[Any] = []  # noqa: RUF012 - of one test

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body)
        last = body["messages"][-1]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for delta in deltas(last):
            chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
            choice = {"index": 0, "delta": delta, "finish_reason": None}
            self.wfile.write(f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


def deltas(last: Any) -> Iterator[Any]:
    if last["role"] == "tool":
        yield {"role": "assistant", "content": "It said: "}
        yield {"content": last["content"]}
        return
    for index, amount in enumerate(re.findall(r"\d+", last["content"])):
        pieces = ({"name": "transfer", "arguments": ""}, {"arguments": f'{{"amount": {amount},'})
        for place, function in enumerate((*pieces, {"arguments": ' "to": "Bob"}'})):
            known = {"id": f"call-{index + 1}", "type": "function"} if place == 0 else {}
            yield {"tool_calls": [{"index": index, **known, "function": function}]}


@pytest.fixture
def url() -> Iterator[str]:
    Model.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def talk(typed: str, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "examples.assistant"],
        cwd=ROOT,
        env={**os.environ, **environ},
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_it_talks_by_its_rules() -> None:
    said = talk("Hello.\nTransfer 5 to Ada.\nyes\n\n")
    assert "assistant: I know of balances and transfers.\n" in said
    assert "approve? transfer 5 to Ada\n" in said
    assert "assistant: 5 transferred to Ada; 495 left.\n" in said


def test_it_transfers_no_more_than_there_is_and_ends_with_its_input() -> None:
    said = talk("Transfer 501 to Ada.\nyes\nTransfer 1 to Ada.\n")
    assert "assistant: 501 cannot be transferred: there are 500 in savings.\n" in said
    assert said.endswith("approve? transfer 1 to Ada\nyou: ")


def test_each_of_several_questions_gets_its_own_answer(url: str) -> None:
    typed = "Send Bob 20 and 30.\nno\nyes\n\n"
    said = talk(typed, OPENAI_BASE_URL=url, OPENAI_API_KEY="none")
    assert said.count("approve? transfer") == 2
    answers = [one["content"] for one in Model.asked[-1]["messages"] if one["role"] == "tool"]
    first, second = re.findall(r"approve\? transfer (\d+)", said)
    expected = {first: "Nothing was transferred.", second: f"{second} transferred to Bob; "}
    for amount, answer in zip(("20", "30"), answers, strict=True):
        assert answer.startswith(expected[amount])


def test_it_talks_through_the_client_of_openai(url: str) -> None:
    said = talk("Send Bob 20.\nyes\n\n", OPENAI_BASE_URL=url, OPENAI_API_KEY="none")
    assert "approve? transfer 20 to Bob\n" in said
    assert "assistant: It said: 20 transferred to Bob; 480 left.\n" in said
    first, second = Model.asked
    assert [message["role"] for message in first["messages"]] == ["system", "user"]
    assert [each["function"]["name"] for each in first["tools"]] == ["balance", "transfer"]
    call = second["messages"][2]["tool_calls"][0]
    assert call["function"] == {"name": "transfer", "arguments": '{"amount": 20, "to": "Bob"}'}
    assert second["messages"][3]["tool_call_id"] == "call-1"
