"""Our agent as an agent loop of verl (0.9): it asks verl's engine as it would ask any server.

    actor_rollout_ref.rollout.agent.agent_loop_config_path=…/adapters/launch/verl_agent.yaml

The engine's tokens are kept as they are and never encoded again; what the environment adds in between is encoded once
and masked. The reward is the program's, so verl's reward manager has nothing to do.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from typing import Any

from aiohttp import web
from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopMetrics, AgentLoopOutput, register

from .episode import Episode, served, task_of, tasks_by_name

EVENTS = {"Content-Type": "text/event-stream"}


class Conversation:
    """The tokens of one task: the first prompt, and after it what the engine wrote (1) and what was added (0)."""

    def __init__(self, loop: AgentLoopBase, sampling: dict[str, Any]):
        self.loop, self.sampling, self.id = loop, sampling, uuid.uuid4().hex
        self.prompt: list[int] = []
        self.response: list[int] = []
        self.mask: list[int] = []
        self.log_probs: list[float] = []
        self.text, self.calls, self.is_whole = "", 0, True

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """`/v1/chat/completions`: has the engine go on, and says what it wrote in one event."""
        body = await request.json()
        ids = self._read(body["messages"])
        sampling = {**self.sampling, "stop": body.get("stop"), "include_stop_str_in_output": True}
        wrote = await self.loop.server_manager.generate(request_id=self.id, prompt_ids=ids, sampling_params=sampling)
        said = self.loop.tokenizer.decode(wrote.token_ids, skip_special_tokens=True)
        if self.is_whole:
            self._add(wrote.token_ids, 1, wrote.log_probs)
            self.text += said
        self.calls += 1
        choice = {"index": 0, "delta": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        events = web.StreamResponse(headers=EVENTS)
        await events.prepare(request)
        await events.write(f"data: {json.dumps({'choices': [choice]})}\n\ndata: [DONE]\n\n".encode())
        return events

    def _read(self, messages: list[dict]) -> list[int]:
        """The tokens of a chat. If it goes on where the engine ended, only what is new is encoded; else, where the
        program shortened what stood before, what comes then is answered but not learnt: a row of verl is one text."""
        tokenizer = self.loop.tokenizer
        chat = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        encode = lambda text: tokenizer.encode(text, add_special_tokens=False)
        if not self.calls:
            self.prompt, self.text = encode(chat), chat
            return self.prompt
        self.is_whole = self.is_whole and chat.startswith(self.text)
        if not self.is_whole:
            return encode(chat)
        self._add(encode(chat[len(self.text) :]), 0, None)
        self.text = chat
        return self.prompt + self.response

    def _add(self, ids: list[int], is_written: int, log_probs: list[float] | None) -> None:
        self.response += ids
        self.mask += [is_written] * len(ids)
        self.log_probs += log_probs or [0.0] * len(ids)


@register("datarus")
class DatarusLoop(AgentLoopBase):
    """One task for each row of `episode.rows`, or of `datarus episodes export --format verl`; the file of tasks is named by `DATARUS_TASKS`."""

    async def run(self, sampling_params: dict[str, Any], **kwargs) -> AgentLoopOutput:
        """Has the program solve the task that the row names, and hands on tokens, mask and reward."""
        program = os.environ.get("DATARUS_BIN", "datarus")
        task = tasks_by_name(os.environ["DATARUS_TASKS"])[task_of(kwargs)]
        chat, episode = Conversation(self, sampling_params), Episode(task, program)
        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            options, environment = served(f"http://127.0.0.1:{port}/v1", "policy", "none")
            process = await asyncio.create_subprocess_exec(*episode.command(*options), env=environment,
                                                           stdout=asyncio.subprocess.DEVNULL)
            await process.wait()
            scores = await asyncio.to_thread(episode.scores, float(kwargs.get("progress", 1.0)))
        finally:
            await runner.cleanup()
            episode.close()
        longest = self.rollout_config.response_length
        return AgentLoopOutput(
            prompt_ids=chat.prompt, response_ids=chat.response[:longest], response_mask=chat.mask[:longest],
            response_logprobs=chat.log_probs[:longest], reward_score=scores["reward"] if scores else 0.0,
            num_turns=2 * chat.calls, metrics=AgentLoopMetrics(), extra_fields={"turn_scores": [], "tool_rewards": []})
