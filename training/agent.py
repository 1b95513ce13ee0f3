"""Answers a question with a checkpoint: the loop of the agent in a few lines, for measuring between trainings."""

from . import cell
from .decode import ROOM, Reader
from .episodes import FAILED, GO_ON, user_text
from .observation import observe

STEPS = 8


class Agent:
    """A model and a tokenizer that answer questions in the current folder."""

    def __init__(self, model, tokenizer):
        self.model, self.tokenizer = model, tokenizer

    def ask(self, question, namespace=None):
        """The answer (empty without one), the observations, and the whole chat."""
        namespace = {"__name__": "__main__"} if namespace is None else namespace
        reader, seen = Reader(self.model, self.tokenizer), []
        reader.force(f"<|im_start|>user\n{user_text(question, namespace)}<|im_end|>\n<|im_start|>assistant\n")
        for _ in range(STEPS):
            if reader.choose(["<step>", "<stop_analysis>"]) == "<stop_analysis>":
                return self._answer(reader), seen, reader.text
            reader.force("\n<thought>")
            reader.until("</thought>", ROOM["thought"])
            reader.force("\n<action>python_executor</action>\n<action_input>\n")
            outputs = self._run(reader.code(ROOM["code"]), namespace)
            seen.append(observe(outputs))
            go_on = FAILED if cell.failed(outputs) else GO_ON
            reader.force(f"\n<observation>\n{seen[-1]}\n</observation>\n</step><|im_end|>\n"
                         f"<|im_start|>user\n{go_on}<|im_end|>\n<|im_start|>assistant\n")
            if len(reader.text) > 6000:
                break
        return "", seen, reader.text

    def _answer(self, reader):
        reader.force("\n<thought>")
        reader.until("</thought>", ROOM["thought"])
        reader.force("\n<answer>")
        return reader.until("</answer>", ROOM["answer"])

    def _run(self, code, namespace):
        try:
            return cell.run(code, namespace)
        except SyntaxError as error:
            return [{"output_type": "error", "ename": "SyntaxError", "evalue": error.msg, "line": None}]
