// All that a reader sees, in one table. A translation is another table with the same keys.

const english = {
  auto: "Auto",
  prompt: "Prompt",
  python: "Python",
  step: "Step {step}",
  failedStep: "Step {step}, failed",
  autoTitle: "Datarus decides whether this is a question or Python. Click to make it a question.",
  promptTitle: "A question for Datarus. Click to make it Python.",
  pythonTitle: "Python. Click to make it a question for Datarus.",

  waiting: "Waiting",
  asking: "Waiting for your answer",
  loading: "Loading the model",
  looking: "Looking at the data",
  reading: "Reading",
  thinking: "Thinking",
  writing: "Writing code",
  running: "Running step {step}",
  answering: "Answering",
  stepOf: "step {step}",
  seconds: "{seconds} s",
  tokens: "{tokens} tokens",
  speed: "{speed} tokens/s",
  stop: "Stop",
  stopTitle: "Stop the answer to this question; other cells go on",
  stopping: "Stopping",

  undoTurn: "Undo turn",
  undoTurnTitle: "Take away the cells of this answer; undoing brings them back",
  askAgain: "Ask again",
  askAgainTitle: "Take away this answer and ask the question anew",
  goOn: "Go on from here",
  goOnTitle: "Take away what follows this step, and go on from it",
  goOnEditedTitle: "This step was changed: run it, take away what follows, and go on from it",
  foldThoughts: "Fold thoughts",
  unfoldThoughts: "Unfold thoughts",
  foldFailed: "Fold failed steps",
  unfoldFailed: "Unfold failed steps",
  turnTools: "This answer",

  menu: "Datarus",
  menuQuestions: "Ask a ready question",
  menuReports: "Write a report",
  reportHtml: "As a page (HTML)",
  reportPdf: "As PDF",
  reportDocx: "For Word (DOCX)",
  reportMd: "As Markdown",
  reportIpynb: "As a notebook for Python",
  reporting: "Writing the report",
  reported: "Wrote {file}",
  notReported: "No report was written: {error}",
  notSaved: "the notebook could not be saved",
  kernelGone: "the kernel is gone",
  open: "Open",

  review: "Review",
  reviewTitle: "When Datarus asks before it runs code",
  reviewOff: "Review: off",
  reviewGuard: "Review: risky steps",
  reviewAll: "Review: every step",
  sandbox: "Sandbox",
  sandboxTitle: "Cells can change only this notebook's folder ({tier}; network: {network})",
  noSandbox: "No sandbox",
  noSandboxTitle: "Cells can do all that you can do",
  elsewhere: "Elsewhere",
  elsewhereTitle: "Not sandboxed by Datarus: the code runs at {place}",
  askAll: "Run this step?",
  askGuard: "Run this step? It {why}.",
  run: "Run",
  runEdited: "Run as edited",
  edit: "Edit",
  skip: "Skip",

  asksYou: "Datarus asks you",
  choose: "Choose, or answer in your own words:",
  yourAnswer: "Your answer:",
  ownWords: "Your own words",
  answer: "Answer",
  answerTitle: "Go on with these words as the answer",
};

/**
 * The text of `key`, with `{names}` replaced by `values`.
 * @param {keyof typeof english} key
 * @param {Record<string, string | number>} [values]
 */
export function text(key, values = {}) {
  return english[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}
