//! Chat templates of foreign model files that ask for any amount of memory and time, through the real program.

use std::path::Path;
use std::process::Command;

use datarus_agent::llm::chat_template::Renderer;
use datarus_agent::llm::local::LocalModel;
use datarus_agent::llm::{Hardware, Model, ModelError};
use datarus_agent::transcript::{ChatMessage, Role, Segment};
use datarus_kernel::config::ModelSource;
use datarus_kernel::model::{self, Kept};
use tempfile::TempDir;
use tests::frontend::{binary, python};

/// Ends in clear words all the same.
const TOO_MUCH: &str = "chat template failed: it takes too much memory or time";

/// Each is compiled in no time and asks for a terabyte, or for hours, when it is rendered.
const WHEN_RENDERED: [&str; 8] = [
    "{% set a = namespace(b='xy') %}{% for i in range(39) %}{% set a.b = a.b ~ a.b %}{% endfor %}",
    "{% set n = namespace(a=[1]) %}{% for i in range(39) %}{% set n.a = [n.a, n.a] %}{% endfor %}{{ n.a|string }}",
    "{% set n = namespace(a=[1], b=[1]) %}{% for i in range(39) %}{% set n.a = [n.a, n.a] %}{% set n.b = [n.b, n.b] %}\
     {% endfor %}{{ n.a == n.b }}",
    "{% set n = namespace(a='xy') %}{% for i in range(39) %}{% set c %}{{ n.a }}{{ n.a }}{% endset %}{% set n.a = c %}\
     {% endfor %}",
    "{% set n = namespace(a='xxxxxxxx') %}{% for i in range(15) %}{% set n.a = n.a|replace('x', 'xxxxxxxx') %}{% endfor %}",
    "{% set n = namespace(a='xy') %}{% for i in range(39) %}{% set n.a = [n.a, n.a]|join %}{% endfor %}",
    "{% set n = namespace(a=[1]) %}{% for i in range(99999) %}{% set n.a = [n.a] %}{% endfor %}{{ n.a|string|length }}",
    "{% for i in range(99999) %}{{ ('x' * 999999)|upper|lower|length }}{% endfor %}",
];

/// Constants are computed while a template is compiled.
const WHEN_COMPILED: [&str; 2] =
    ["{{ ([1] * 99999999999) ~ '' }}", "{{ ([1] * 99999999999) == ([1] * 99999999999) }}"];

/// A small random model with this template.
fn model_with(template: &str) -> TempDir {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/models/qwen3");
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixture).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    std::fs::write(folder.path().join("chat_template.jinja"), template).unwrap();
    folder
}

fn chat() -> Vec<ChatMessage> {
    let message =
        |role, text| ChatMessage { role, content: vec![Segment::Data(String::from(text))] };
    vec![message(Role::System, "Be brief."), message(Role::User, "Which region sold most?")]
}

fn n_tokens(template: &str, program: &Path) -> Result<usize, ModelError> {
    let folder = model_with(template);
    let source = ModelSource::Path(folder.path().to_owned());
    model::load(&source, Hardware::Auto.into(), Kept::default(), program)?.count_tokens(&chat())
}

#[test]
fn a_template_that_asks_for_any_amount_is_refused_in_words() {
    for template in WHEN_RENDERED.iter().chain(&WHEN_COMPILED) {
        let refused = n_tokens(template, &binary()).expect_err(template).to_string();
        assert!(refused.contains(TOO_MUCH), "{template}: {refused}");
    }
}

#[test]
fn a_template_that_runs_or_writes_too_long_is_told_as_such() {
    let check = |template: &str, expected: &str| {
        let refused = n_tokens(template, &binary()).unwrap_err().to_string();
        assert!(refused.contains(expected), "{template}: {refused}");
    };
    check(
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "it runs too long",
    );
    check("{% for i in range(9999) %}{{ 'x' * 9999 }}{% endfor %}", "it writes too much");
    check("{{ raise_exception('no system role') }}", "no system role");
    check("{% if %}", "syntax error");
}

#[test]
fn a_model_with_a_foreign_template_counts_the_same_in_a_process_of_its_own() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/models/qwen3");
    let here = LocalModel::load(&fixture, Hardware::Auto, None, Renderer::Here).unwrap();
    let source = ModelSource::Path(fixture);
    let apart = model::load(&source, Hardware::Auto.into(), Kept::default(), &binary()).unwrap();
    assert_eq!(apart.count_tokens(&chat()).unwrap(), here.count_tokens(&chat()).unwrap());
}

#[test]
fn a_program_that_cannot_be_started_is_named() {
    let refused = n_tokens("a", Path::new("/no/such")).unwrap_err().to_string();
    assert!(refused.contains("`/no/such`, which is to render it, cannot be started"), "{refused}");
}

#[test]
fn a_question_to_such_a_model_ends_with_words_and_so_does_its_description() {
    let ask = |template: &str, arguments: &[&str]| {
        let (model, folder) = (model_with(template), tempfile::tempdir().unwrap());
        let output = Command::new(binary())
            .args(arguments)
            .env("DATARUS_MODEL", model.path())
            .env("DATARUS_PYTHON", python())
            .env("DATARUS_SANDBOX", "off")
            .env("XDG_STATE_HOME", folder.path())
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(TOO_MUCH), "{said}");
    };
    ask(WHEN_RENDERED[0], &["ask", "How many rows?", "-o", "report.ipynb"]);
    ask(WHEN_COMPILED[0], &["model", "info"]);
}
