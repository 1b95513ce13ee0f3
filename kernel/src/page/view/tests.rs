//! Tests of a turn in a page.

use datarus_agent::agent::{Asked, Begun, DataNotes, Draft, Outcome};
use datarus_agent::executor::{Execution, Output, Status};
use datarus_agent::llm::Usage;

use super::*;

fn text_of(step: usize, part: Part, delta: &str) -> AgentEvent {
    AgentEvent::Text { step, part, delta: delta.into() }
}

fn ready(step: usize, thought: &str, code: &str) -> AgentEvent {
    let understanding = String::new();
    AgentEvent::StepReady(Draft {
        number: step,
        understanding,
        thought: thought.into(),
        code: code.into(),
    })
}

fn done(number: usize, status: Status) -> Step {
    let outputs = match status {
        Status::Ok => vec![Output::Stream { name: "stdout".into(), text: "120.5\n".into() }],
        _ => vec![Output::Error {
            ename: "KeyError".into(),
            evalue: "b".into(),
            traceback: vec!["\u{1b}[31mKeyError\u{1b}[0m: b".into()],
        }],
    };
    let execution = Execution {
        execution_count: Some(8),
        status,
        outputs,
        figures: vec![],
        seconds: 0.5,
        lost: false,
    };
    let understanding = String::new();
    Step { number, understanding, thought: "Look.".into(), code: "df".into(), execution }
}

fn end(answer: &str) -> End {
    let (thought, answer) = (String::from("Found."), answer.to_owned());
    End {
        outcome: Outcome::Answered { understanding: String::new(), thought, answer },
        usage: Usage::default(),
        notices: Vec::new(),
        data: DataNotes::default(),
        model: json!({}),
        seed: json!(0),
        sampling: json!(null),
        prompt: String::new(),
        mode: Mode::Agentic,
        seen_above: Vec::new(),
        above: Vec::new(),
        stage: None,
        namespace: json!(null),
        sandbox: json!(null),
    }
}

fn turn() -> LiveTurn {
    LiveTurn::new("t_1", "p", Mode::Agentic)
}

fn prompt() -> Value {
    json!({"cell_type": "code", "id": "p", "source": "> best?", "metadata": {"tags": ["mine"]}})
}

/// A page: applies what it is told.
#[derive(Default)]
struct Cells(Vec<(String, String, Map<String, Value>, bool)>);

impl Cells {
    fn take(&mut self, told: &[ToPage]) {
        for message in told {
            match message {
                ToPage::Insert { id, after, source, metadata, .. }
                | ToPage::Upsert { id, after, source, metadata, .. } => {
                    let at = self.0.iter().position(|cell| cell.0 == *after);
                    let at = if after == "p" { 0 } else { at.unwrap() + 1 };
                    assert!(self.0.iter().all(|cell| cell.0 != *id), "{id} is inserted once");
                    self.0.insert(at, (id.clone(), source.clone(), metadata.clone(), false));
                }
                ToPage::Append { id, text } => {
                    let cell = self.cell(id);
                    cell.1.push_str(text);
                    cell.3 = false;
                }
                ToPage::Replace { id, source } => {
                    let cell = self.cell(id);
                    cell.1.clone_from(source);
                    cell.3 = false;
                }
                ToPage::Remove { ids } => self.0.retain(|cell| !ids.contains(&cell.0)),
                ToPage::Render { id } => self.cell(id).3 = true,
                ToPage::Patch { id, metadata } if id != "p" => {
                    self.cell(id).2.extend(metadata.clone());
                }
                _ => {}
            }
        }
    }

    fn cell(&mut self, id: &str) -> &mut (String, String, Map<String, Value>, bool) {
        self.0.iter_mut().find(|cell| cell.0 == id).unwrap()
    }

    fn sources(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|cell| (cell.0.as_str(), cell.1.as_str())).collect()
    }
}

fn play(turn: &mut LiveTurn, page: &mut Cells, events: &[AgentEvent]) -> Vec<ToPage> {
    for event in events {
        turn.on_event(event);
    }
    let told = turn.flush();
    page.take(&told);
    told
}

#[test]
fn an_answer_that_is_taken_back_stays_below_the_steps_that_come() {
    let (mut turn, mut page) = (turn(), Cells::default());
    let first = [text_of(1, Part::Thought, "Guess."), text_of(1, Part::Answer, "It is 7.")];
    play(&mut turn, &mut page, &first);
    play(&mut turn, &mut page, &[AgentEvent::Withdrawn]);
    assert_eq!(page.sources().last(), Some(&("t_1-a", "")));
    let again = [text_of(1, Part::Thought, "Look."), text_of(1, Part::Code, "df")];
    play(&mut turn, &mut page, &again);
    play(
        &mut turn,
        &mut page,
        &[ready(1, "Look.", "df"), AgentEvent::StepDone(done(1, Status::Ok))],
    );
    play(&mut turn, &mut page, &[text_of(2, Part::Answer, "It is 8.")]);
    let folded = "<details><summary>Step 1 · Look</summary>\n\nLook.\n\n</details>";
    assert_eq!(page.sources(), [("t_1-1t", folded), ("t_1-1c", "df"), ("t_1-a", "It is 8.")]);
}

#[test]
fn each_cell_is_told_only_what_is_new() {
    let (mut turn, mut page) = (turn(), Cells::default());
    play(&mut turn, &mut page, &[text_of(1, Part::Thought, "Lo")]);
    let told = play(&mut turn, &mut page, &[text_of(1, Part::Thought, "ok.")]);
    let append = |text: &str, id: &str| ToPage::Append { id: id.into(), text: text.into() };
    assert_eq!(told, [append("ok.", "t_1-1t")]);
    let told = play(&mut turn, &mut page, &[text_of(1, Part::Code, "df.he")]);
    assert!(
        matches!(
            &told[..],
            [
                ToPage::Replace { .. },
                ToPage::Render { .. },
                ToPage::Insert { .. },
                ToPage::Append { .. }
            ]
        ),
        "{told:?}"
    );
    assert_eq!(
        play(&mut turn, &mut page, &[text_of(1, Part::Code, "ad()\n")]),
        [append("ad()", "t_1-1c")]
    );
    assert_eq!(play(&mut turn, &mut page, &[ready(1, "Look.", "df.head()")]), []);
    let folded = "<details><summary>Step 1 · Look</summary>\n\nLook.\n\n</details>";
    assert_eq!(page.sources(), [("t_1-1t", folded), ("t_1-1c", "df.head()")]);
}

#[test]
fn what_was_understood_stands_above_the_thought_whichever_was_written_first() {
    let (mut turn, mut page) = (turn(), Cells::default());
    play(&mut turn, &mut page, &[text_of(1, Part::Thought, "Look.")]);
    play(&mut turn, &mut page, &[text_of(1, Part::Understanding, "Three reg")]);
    play(&mut turn, &mut page, &[text_of(1, Part::Understanding, "ions.")]);
    assert_eq!(page.sources(), [("t_1-1u", "Three regions."), ("t_1-1t", "Look.")]);
    play(&mut turn, &mut page, &[text_of(1, Part::Code, "df")]);
    let understanding = String::from("Three regions.");
    let step = Step { understanding, ..done(1, Status::Ok) };
    play(&mut turn, &mut page, &[AgentEvent::StepDone(step)]);
    play(&mut turn, &mut page, &[text_of(2, Part::Understanding, "North leads.")]);
    play(&mut turn, &mut page, &[text_of(2, Part::Answer, "North.")]);
    let mut end = end("North.");
    if let Outcome::Answered { understanding, thought, .. } = &mut end.outcome {
        (*understanding, *thought) = (String::from("North leads."), String::new());
    }
    let record = turn.record(Some(end));
    page.take(&turn.end(&prompt(), &record));
    let cells = turn_cells(&prompt(), &record).below;
    let of = |field: &str| cells.iter().map(|cell| text(cell, field)).collect::<Vec<_>>();
    let shown = |cell: &(String, String, Map<String, Value>, bool)| cell.0.clone();
    assert_eq!(of("id"), page.0.iter().map(shown).collect::<Vec<_>>());
    assert_eq!(of("id"), ["t_1-1u", "t_1-1t", "t_1-1c", "t_1-2u", "t_1-a"]);
}

#[test]
fn a_thought_that_was_the_answer_does_not_stay_beside_it() {
    let (mut turn, mut page) = (turn(), Cells::default());
    play(&mut turn, &mut page, &[text_of(1, Part::Thought, "It is North.")]);
    play(&mut turn, &mut page, &[text_of(1, Part::Answer, "It is North.")]);
    let mut end = end("It is North.");
    if let Outcome::Answered { thought, .. } = &mut end.outcome {
        thought.clear();
    }
    let record = turn.record(Some(end));
    page.take(&turn.end(&prompt(), &record));
    assert_eq!(page.sources(), [("t_1-a", "It is North.")]);
}

#[test]
fn a_turn_seen_live_has_the_cells_of_one_made_without_a_screen() {
    let (mut turn, mut page) = (turn(), Cells::default());
    let events = [
        text_of(1, Part::Thought, "Look."),
        text_of(1, Part::Code, "df"),
        ready(1, "Look.", "df"),
        AgentEvent::StepDone(done(1, Status::Error)),
        text_of(2, Part::Code, "df"),
        ready(2, "", "df"),
        AgentEvent::StepDone(Step { thought: String::new(), ..done(2, Status::Ok) }),
        text_of(3, Part::Thought, "Fou"),
        text_of(3, Part::Thought, "nd."),
        text_of(3, Part::Answer, "It is 120.5"),
    ];
    for event in events {
        play(&mut turn, &mut page, &[event]);
    }
    let record = turn.record(Some(end("It is 120.5")));
    let told = turn.end(&prompt(), &record);
    page.take(&told);
    let cells = turn_cells(&prompt(), &record).below;
    assert_eq!(cells.len(), page.0.len());
    for (cell, (id, source, metadata, rendered)) in cells.iter().zip(&page.0) {
        assert_eq!((&cell["id"], &cell["source"]), (&json!(id), &json!(source)));
        assert_eq!(&cell["metadata"], &json!(metadata));
        assert_eq!(cell["cell_type"] == "markdown", *rendered, "{id}");
    }
    assert_eq!(page.cell("t_1-a").1, "It is [120.5](#cell-id=t_1-2c \"cell 8\")");
    let failed = &record.steps[0].outputs[0];
    assert_eq!((&failed["name"], &failed["text"]), (&json!("stderr"), &json!("KeyError: b\n")));
    let Some(ToPage::Patch { id, metadata }) = told.last() else { panic!("{told:?}") };
    assert_eq!((id.as_str(), metadata["datarus"]["status"].as_str()), ("p", Some("done")));
    assert_eq!(metadata["tags"], json!(["mine", "datarus-prompt", "skip-execution"]));
}

#[test]
fn a_step_that_is_written_anew_replaces_what_could_not_be_used() {
    let (mut turn, mut page) = (turn(), Cells::default());
    let first = [text_of(1, Part::Thought, "Bad."), text_of(1, Part::Code, "1 +")];
    play(&mut turn, &mut page, &first);
    play(&mut turn, &mut page, &[text_of(1, Part::Thought, "Better.")]);
    assert_eq!(page.cell("t_1-1t").1, "Better.");
    play(&mut turn, &mut page, &[text_of(1, Part::Code, "1 + 1")]);
    assert_eq!(page.cell("t_1-1c").1, "1 + 1");
}

#[test]
fn a_turn_that_is_stopped_keeps_what_was_written() {
    let (mut turn, mut page) = (turn(), Cells::default());
    play(&mut turn, &mut page, &[text_of(1, Part::Thought, "Lo"), text_of(1, Part::Code, "d")]);
    let end = End { outcome: Outcome::Interrupted, ..end("") };
    let record = turn.record(Some(end));
    page.take(&turn.end(&prompt(), &record));
    let ids: Vec<_> = page.sources().into_iter().map(|(id, _)| id.to_owned()).collect();
    assert_eq!(ids, ["t_1-1t", "t_1-1c", "t_1-a"]);
    assert_eq!(page.cell("t_1-1c").2["datarus"]["status"], "unknown");
}

#[test]
fn a_turn_that_failed_before_its_first_word_leaves_no_cell() {
    let mut turn = turn();
    let record = turn.record(None);
    assert!(matches!(&turn.end(&prompt(), &record)[..], [ToPage::Patch { .. }]));
}

#[test]
fn what_the_user_wrote_is_what_ran() {
    let mut turn = turn();
    turn.on_event(&ready(1, "Look.", "df"));
    turn.edit(1, "df.tail()\n");
    let mut step = done(1, Status::Ok);
    turn.correct(&mut step);
    turn.on_event(&AgentEvent::StepDone(step));
    assert_eq!(turn.record(None).steps[0].code, "df.tail()");
    let Some(ToPage::Upsert { after, source, execution_count, outputs, .. }) = turn.upsert_step(1)
    else {
        panic!("an upsert")
    };
    assert_eq!((after.as_str(), source.as_str()), ("t_1-1t", "df.tail()"));
    assert_eq!((execution_count, outputs.len()), (Some(8), 1));
}

#[test]
fn a_turn_that_goes_on_leaves_alone_what_stands_and_marks_the_step_that_is_run_again_anew() {
    let step = |number, status| Step { number, ..done(number, status) };
    let (understanding, thought) = (String::new(), "Try.".into());
    let next = Draft { number: 2, understanding, thought, code: "df.b".into() };
    let kept = Kept {
        begun: Begun {
            done: vec![step(1, Status::Ok)],
            asked: Vec::new(),
            next: Some(next),
            before: None,
        },
        asked: Vec::new(),
        cells: vec!["t_1-1c".into()],
        from: "t_1-2c".into(),
        failed: true,
        pass: 1,
    };
    let mut turn = turn();
    turn.go_on(&kept);
    let told = turn.flush();
    let [ToPage::Patch { id, metadata }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(
        (&**id, &metadata["jupyter"], &metadata["tags"]),
        ("t_1-2c", &Value::Null, &json!(["datarus-code"]))
    );
    assert_eq!(
        (turn.cell_of(1), turn.cell_of(2), turn.cell_of(3)),
        ("t_1-1c".into(), "t_1-2c".into(), "t_1-3c_2".into())
    );
    let again = Step { number: 2, code: "df.b".into(), ..done(2, Status::Ok) };
    turn.on_event(&AgentEvent::StepDone(again));
    turn.on_event(&text_of(3, Part::Answer, "It is 120.5."));
    turn.flush();
    let told = turn.end(&prompt(), &turn.record(Some(end("It is 120.5."))));
    let ids: Vec<_> = turn.shown.iter().map(|cell| &*cell.id).collect();
    assert_eq!(ids, ["t_1-2c", "t_1-3t_2", "t_1-a_2"]);
    let links = |message: &ToPage| matches!(message, ToPage::Replace { source, .. } if source.contains("=t_1-2c"));
    assert!(told.iter().any(links), "{told:?}");
    assert!(told.iter().all(|message| !json!(message).to_string().contains("t_1-1")), "{told:?}");
}

#[test]
fn what_the_model_asks_stands_where_it_was_asked_with_the_thought_that_led_to_it() {
    let (mut turn, mut page) = (turn(), Cells::default());
    let asked = |answer: Option<&str>| Asked {
        number: 1,
        step: 1,
        understanding: String::new(),
        thought: "Two years.".into(),
        question: "Which year?".into(),
        answer: answer.map(str::to_owned),
    };
    let asking = AgentEvent::Asking(asked(None));
    play(&mut turn, &mut page, &[text_of(1, Part::Thought, "Two years.")]);
    assert_eq!(page.sources(), [("t_1-1t", "Two years.")]);
    play(&mut turn, &mut page, &[asking]);
    let folded = "<details><summary>Two years</summary>\n\nTwo years.\n\n</details>";
    let question = format!("{folded}\n\n**Datarus asks**\n\nWhich year?");
    assert_eq!(page.sources(), [("t_1-1q", question.as_str())]);
    let rest = [AgentEvent::Asked(asked(Some("2024"))), ready(1, "Look.", "df")];
    play(&mut turn, &mut page, &rest);
    play(&mut turn, &mut page, &[AgentEvent::StepDone(done(1, Status::Ok))]);
    let answered = format!("{question}\n\n**Answered:** 2024");
    assert_eq!(page.sources()[0], ("t_1-1q", answered.as_str()));
    let record = turn.record(Some(end("It was 120.5.")));
    page.take(&turn.end(&prompt(), &record));
    let ids: Vec<&str> = page.sources().iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, ["t_1-1q", "t_1-1t", "t_1-1c", "t_1-2t", "t_1-a"]);
    assert_eq!(page.sources()[0].1, answered);
}
