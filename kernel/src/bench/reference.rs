//! Problems that are graded by what a reference does in a copy of the session's namespace. Python compares the two
//! (`reference.py`), since only it knows when two tables are the same.

use std::time::Duration;

use serde_json::{Value, json};

const SCRIPT: &str = include_str!("reference.py");

/// Longest that the reference, or the comparison, may take.
const LONGEST: Duration = Duration::from_secs(120);

/// What a submission is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Code that solves the problem.
    pub code: String,
    /// The rules as the set writes them, which add to its usual ones.
    pub rules: Value,
    /// Variables that a solution may not use.
    pub forbid: Vec<String>,
}

impl Reference {
    /// Python that runs the reference in a copy of the namespace and notes what is there, before the question is asked.
    /// It prints an object, with `error` where the reference does not run here.
    pub(super) fn before(&self) -> String {
        let Self { code, rules, forbid } = self;
        call("before", &json!({"code": code, "rules": rules, "forbid": forbid}))
    }

    /// Python that compares what was made since, and leaves the namespace as the reference does. It prints an object
    /// with `parts`: pairs of a rule and whether it is kept.
    pub(super) fn after() -> String {
        call("after", &Value::Null)
    }
}

/// Python that runs the script without a trace in the session's names.
fn call(which: &str, given: &Value) -> String {
    format!(
        "exec({}, {{\"CALL\": {}, \"GIVEN\": __import__(\"json\").loads({}), \"SHELL\": get_ipython(), \"SECONDS\": {}}})",
        json!(SCRIPT),
        json!(which),
        json!(given.to_string()),
        LONGEST.as_secs()
    )
}
