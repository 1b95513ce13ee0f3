//! Whether a cell that ran again put out what it had put out before. Pure.

use serde_json::Value;

use datarus_agent::observation::plain;

use crate::sieve;

/// The first line in which two runs of a cell differ.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// As it stands in the notebook; empty where there was less.
    pub was: String,
    /// As it came now.
    pub is: String,
}

/// Compares the outputs of two runs; none when they are the same. What is printed to stderr is not looked at: warnings
/// name files of the run. Addresses in memory and numbers of processes do not count.
pub(crate) fn difference(was: &Value, is: &Value) -> Option<Difference> {
    let sifted = || lines(&sifted(is));
    let (was, is) = (lines(was), lines(is));
    if was == is || was == sifted() {
        return None;
    }
    let length = was.len().max(is.len());
    (0..length).map(|at| (was.get(at), is.get(at))).find(|(was, is)| was != is).map(|(was, is)| {
        let text = |line: Option<&String>| line.cloned().unwrap_or_default();
        Difference { was: text(was), is: text(is) }
    })
}

/// Outputs as those of a step are kept: what is drawn in them is written anew.
fn sifted(outputs: &Value) -> Value {
    let mut outputs = outputs.clone();
    for output in outputs.as_array_mut().into_iter().flatten() {
        if let Some(data) = output.get_mut("data").and_then(Value::as_object_mut) {
            *data = sieve::harmless(std::mem::take(data));
        }
    }
    outputs
}

/// What a reader sees, line by line; of a picture a hash.
fn lines(outputs: &Value) -> Vec<String> {
    let text: String = outputs.as_array().into_iter().flatten().map(shown).collect();
    text.lines().map(|line| steady(line.trim_end())).collect()
}

fn shown(output: &Value) -> String {
    let text = |value: &Value| value.as_str().map(|text| plain(text) + "\n");
    match output["output_type"].as_str() {
        Some("stream") if output["name"] == "stderr" => String::new(),
        // What a cell prints in pieces is one text.
        Some("stream") => plain(output["text"].as_str().unwrap_or_default()),
        Some("error") => format!("{}: {}\n", output["ename"], output["evalue"]),
        _ => {
            let pictures = output["data"].as_object().into_iter().flatten();
            let pictures =
                pictures.filter(|(mime, _)| mime.starts_with("image/")).map(|(mime, data)| {
                    let sha = super::source_sha(data.as_str().unwrap_or_default());
                    format!("[{mime} {}]\n", sha.get(..16).unwrap_or_default())
                });
            let said = text(&output["data"]["text/plain"])
                .or_else(|| text(&output["data"]["text/markdown"]));
            let said = said.or_else(|| text(&output["data"]["text/html"]));
            pictures.chain(said).collect()
        }
    }
}

/// A line without what differs from run to run: addresses.
fn steady(line: &str) -> String {
    let mut made = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("0x") {
        made.push_str(before);
        let len = after.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(after.len());
        let (digits, behind) = after.split_at_checked(len).unwrap_or_default();
        made.push_str("0x");
        made.push_str(if len >= 6 { "…" } else { digits });
        rest = behind;
    }
    made + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_line_that_differs_is_told() {
        let stream =
            |text: &str| json!([{"output_type": "stream", "name": "stdout", "text": text}]);
        assert_eq!(difference(&stream("a\nb\n"), &stream("a\nb")), None);
        let found = difference(&stream("a\nb\nc"), &stream("a\nx\nc")).unwrap();
        assert_eq!((found.was.as_str(), found.is.as_str()), ("b", "x"));
        assert_eq!(difference(&stream("a"), &json!([])).unwrap().is, "");
    }

    #[test]
    fn addresses_and_warnings_do_not_count_and_pictures_do() {
        let result =
            |text: &str| json!([{"output_type": "execute_result", "data": {"text/plain": text}}]);
        assert_eq!(difference(&result("<f at 0x7f12ab34>"), &result("<f at 0x7f99ffff>")), None);
        assert!(difference(&result("0x1f"), &result("0x2f")).is_some());
        let warned =
            json!([{"output_type": "stream", "name": "stderr", "text": "/tmp/1.py: careful"}]);
        assert_eq!(difference(&warned, &json!([])), None);
        let picture =
            |data: &str| json!([{"output_type": "display_data", "data": {"image/png": data}}]);
        assert!(difference(&picture("AAAA"), &picture("AAAB")).is_some());
    }
}
