//! Training and agent describe a cell's outputs in the same words: the fixture is written by the training side.

use datarus_agent::executor::{Execution, Output, Status};
use datarus_agent::llm::Profile;
use datarus_agent::observation::observe;
use serde_json::{Map, Value, json};

const PAIRS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/observations.json");

#[test]
fn training_and_agent_see_the_same() {
    let pairs: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(PAIRS).unwrap()).unwrap();
    assert!(pairs.len() >= 50);
    for pair in &pairs {
        let (code, execution) = cell(pair["outputs"].as_array().unwrap());
        let seen = observe(&code, &execution, Profile::Compact);
        assert_eq!(seen, pair["observation"], "{}", pair["code"]);
    }
}

/// The cell as the kernel tells it, of one as `training/fixtures.py` writes it: figures beside the outputs, the failing line in the traceback.
fn cell(outputs: &[Value]) -> (String, Execution) {
    let mut code = String::new();
    let mut execution = Execution {
        execution_count: Some(1),
        status: Status::Ok,
        outputs: Vec::new(),
        figures: Vec::new(),
        seconds: 0.0,
        lost: false,
    };
    for output in outputs {
        let mut output = output.clone();
        if let Some(lines) = output["metadata"]["figure"].as_array() {
            execution.figures.extend(lines.iter().map(|line| line.as_str().unwrap().to_owned()));
            output["data"]["image/png"] = json!("iVBOR");
        }
        if output["output_type"] == "error" {
            execution.status = Status::Error;
            output["traceback"] = traceback(&output["line"], &mut code);
        }
        execution.outputs.push(parsed(output));
    }
    (code, execution)
}

/// A traceback with a frame for `line`, which is a number and a source line, in `code`.
fn traceback(line: &Value, code: &mut String) -> Value {
    let Some(number) = line[0].as_u64() else { return json!([]) };
    *code = "\n".repeat(usize::try_from(number).unwrap() - 1) + line[1].as_str().unwrap();
    json!([format!("Cell In[1], line {number}\n")])
}

fn parsed(mut output: Value) -> Output {
    let fields: &mut Map<String, Value> = output.as_object_mut().unwrap();
    fields.entry("metadata").or_insert_with(|| json!({}));
    fields.entry("execution_count").or_insert(Value::Null);
    serde_json::from_value(output).unwrap()
}
