//! Notebook files: reads nbformat 3 and 4, writes 4.5 as Python's `nbformat.write` does, in one atomic step.
//!
//! The document is kept as JSON values rather than as the types of the crate `nbformat`: those drop unknown fields
//! at the top, refuse a cell id that other tools accept, and hold counts in 32 bits, so a notebook that came from
//! elsewhere would not leave as it came. The crate does what values cannot: it upgrades files older than
//! nbformat 4.

use std::path::{Path, PathBuf};

use serde::Serialize as _;
use serde_json::{Map, Value, json};

use crate::disk::{self, WriteError};

/// Why a notebook file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum NotebookError {
    /// The file cannot be read.
    #[error("cannot read the notebook `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the notebook `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: WriteError,
    },
    /// The text is not JSON.
    #[error("expected a notebook, found text that is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The JSON is not a notebook.
    #[error("expected a notebook of nbformat 3 or 4, found {0}")]
    Format(String),
}

/// A notebook, every field kept, texts joined (`source`, `text` and MIME values are strings, not lists of lines).
#[derive(Debug, Clone, PartialEq)]
pub struct Notebook {
    /// The cells in order; each has `id`, `cell_type`, `source` and `metadata`.
    pub cells: Vec<Value>,
    /// The notebook's metadata.
    pub metadata: Map<String, Value>,
    /// All other top-level fields, `nbformat` and `nbformat_minor` among them.
    rest: Map<String, Value>,
}

impl Default for Notebook {
    /// An empty notebook for the kernel Datarus.
    fn default() -> Self {
        let metadata = json!({
            "kernelspec": {"name": "datarus", "display_name": "Datarus", "language": "python"},
            "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
        });
        let rest = json!({"nbformat": 4, "nbformat_minor": 5});
        Self { cells: Vec::new(), metadata: object(metadata), rest: object(rest) }
    }
}

impl Notebook {
    /// Reads a file.
    ///
    /// # Errors
    /// When there is no such file or it holds no notebook.
    pub fn read(path: &Path) -> Result<Self, NotebookError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| NotebookError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Reads a text. Cells without an id get one; a minor version below 5 becomes 5.
    ///
    /// # Errors
    /// When the text is not JSON or not a notebook.
    pub fn parse(text: &str) -> Result<Self, NotebookError> {
        // Editors of Windows put it there.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let value: Value = serde_json::from_str(text)?;
        match value.get("nbformat").and_then(Value::as_i64) {
            Some(4) => Self::from_value(value),
            Some(3) => Self::from_value(upgraded(text)?),
            Some(other) => Err(NotebookError::Format(format!("nbformat {other}"))),
            None => Err(NotebookError::Format(String::from("no field `nbformat`"))),
        }
    }

    fn from_value(value: Value) -> Result<Self, NotebookError> {
        let mut rest = object(value);
        let Some(Value::Array(mut cells)) = rest.remove("cells") else {
            return Err(NotebookError::Format(String::from("no list `cells`")));
        };
        if let Some(at) = cells.iter().position(|cell| !is_cell(cell)) {
            return Err(NotebookError::Format(format!("a cell {at} without `cell_type`")));
        }
        let metadata = rest.remove("metadata").map(object).unwrap_or_default();
        if rest.get("nbformat_minor").and_then(Value::as_i64).is_none_or(|minor| minor < 5) {
            rest.insert("nbformat_minor".into(), json!(5));
        }
        let mut seen = std::collections::HashSet::new();
        for cell in &mut cells {
            join_texts(cell);
            let known = cell["id"].as_str().is_some_and(|id| !id.is_empty() && !seen.contains(id));
            if !known {
                cell["id"] = json!(new_cell_id());
            }
            seen.extend(cell["id"].as_str().map(str::to_owned));
        }
        Ok(Self { cells, metadata, rest })
    }

    /// The text of the file, byte for byte as Python's `nbformat.write` lays it out: keys sorted, one blank of
    /// indentation, long texts as lists of lines, a newline at the end.
    pub fn to_json(&self) -> String {
        let mut document = self.rest.clone();
        let cells = self.cells.iter().cloned().map(split_texts).collect();
        document.insert("cells".into(), Value::Array(cells));
        document.insert("metadata".into(), Value::Object(self.metadata.clone()));
        let mut bytes = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
        sorted(Value::Object(document))
            .serialize(&mut serializer)
            .expect("a value with string keys is written to memory");
        bytes.push(b'\n');
        String::from_utf8(bytes).expect("serde_json writes UTF-8")
    }

    /// Writes the file whole or not at all, see [`disk::write`].
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn write(&self, path: &Path) -> Result<(), NotebookError> {
        disk::write(path, self.to_json().as_bytes(), None)
            .map_err(|source| NotebookError::Write { path: path.to_owned(), source })
    }
}

/// A fresh cell id of eight hexadecimal digits.
pub fn new_cell_id() -> String {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(8);
    id
}

fn upgraded(text: &str) -> Result<Value, NotebookError> {
    let wrong =
        |error: String| NotebookError::Format(format!("nbformat 3 that is broken: {error}"));
    let parsed = nbformat::parse_notebook(text).map_err(|error| wrong(error.to_string()))?;
    let nbformat::Notebook::V3(mut old) = parsed else {
        return Err(wrong(String::from("another version")));
    };
    // The crate writes as many `#` as a heading says, whatever that is.
    for cell in old.worksheets.iter_mut().flatten().flat_map(|sheet| &mut sheet.cells) {
        if let nbformat::v3::Cell::Heading { level, .. } = cell {
            *level = (*level).clamp(1, 6);
        }
    }
    let new = nbformat::upgrade_v3_notebook(old).map_err(|error| wrong(error.to_string()))?;
    Ok(serde_json::to_value(new)?)
}

fn is_cell(cell: &Value) -> bool {
    cell.get("cell_type").is_some_and(Value::is_string)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Makes lists of lines into strings, and fills in what the format demands of a cell.
fn join_texts(cell: &mut Value) {
    join_lines(&mut cell["source"]);
    if !cell["source"].is_string() {
        cell["source"] = json!("");
    }
    if !cell["metadata"].is_object() {
        cell["metadata"] = json!({});
    }
    if cell["cell_type"] != "code" {
        return;
    }
    if !cell["outputs"].is_array() {
        cell["outputs"] = json!([]);
    }
    if !cell["execution_count"].is_u64() {
        cell["execution_count"] = Value::Null;
    }
    for output in cell["outputs"].as_array_mut().into_iter().flatten() {
        each_text(output, |mime| !is_json(mime), join_lines);
    }
}

fn split_texts(mut cell: Value) -> Value {
    if let Some(source) = cell.get_mut("source") {
        split_lines(source);
    }
    if cell["cell_type"] != "code" {
        return cell;
    }
    for output in cell.get_mut("outputs").and_then(Value::as_array_mut).into_iter().flatten() {
        each_text(output, is_split_on_disk, split_lines);
    }
    cell
}

/// Calls `change` on the text of a stream and on every MIME value whose type `applies`.
fn each_text(output: &mut Value, applies: impl Fn(&str) -> bool, change: impl Fn(&mut Value)) {
    if let Some(text) = output.get_mut("text") {
        change(text);
    }
    let data = output.get_mut("data").and_then(Value::as_object_mut);
    for (mime, value) in data.into_iter().flatten() {
        if applies(mime) {
            change(value);
        }
    }
}

/// As `nbformat` has it: of other types than `application`, `+json` means nothing.
fn is_json(mime: &str) -> bool {
    mime == "application/json" || (mime.starts_with("application/") && mime.ends_with("+json"))
}

/// What `nbformat.write` cuts into lines: texts, not base64.
fn is_split_on_disk(mime: &str) -> bool {
    mime.starts_with("text/") || matches!(mime, "application/javascript" | "image/svg+xml")
}

fn join_lines(value: &mut Value) {
    let Some(lines) = value.as_array() else { return };
    if let Some(text) = lines.iter().map(Value::as_str).collect::<Option<String>>() {
        *value = Value::String(text);
    }
}

fn split_lines(value: &mut Value) {
    let Some(text) = value.as_str() else { return };
    *value = lines(text).map(|line| json!(line)).collect();
}

/// The lines of `text` with their ends, cut where Python's `str.splitlines` cuts.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let is_end = |c: char| {
            matches!(
                c,
                '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                    ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
            )
        };
        let end = match rest.char_indices().find(|&(_, c)| is_end(c)) {
            Some((at, '\r')) if rest[at..].starts_with("\r\n") => at + 2,
            Some((at, c)) => at + c.len_utf8(),
            None => rest.len(),
        };
        let (line, after) = rest.split_at(end);
        rest = after;
        (!line.is_empty()).then_some(line)
    })
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.into_iter().map(|(key, value)| (key, sorted(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `nbformat.write` of nbformat 5.11 wrote it, with fields that no schema knows.
    const WRITTEN_BY_PYTHON: &str =
        include_str!("../../tests/fixtures/notebooks/unknown_fields.ipynb");

    #[test]
    fn a_file_that_python_wrote_leaves_byte_for_byte_as_it_came() {
        assert_eq!(Notebook::parse(WRITTEN_BY_PYTHON).unwrap().to_json(), WRITTEN_BY_PYTHON);
    }

    #[test]
    fn numbers_keep_their_last_digit() {
        let numbers = "[31.245270191439438,121.48791951161945,0.30000000000000004,5e-324]";
        let text = format!(
            r#"{{"cells":[],"metadata":{{"numbers":{numbers}}},"nbformat":4,"nbformat_minor":5}}"#
        );
        let notebook = Notebook::parse(&text).unwrap();
        assert_eq!(notebook.metadata["numbers"].to_string(), numbers);
    }

    #[test]
    fn texts_are_strings_in_memory_and_lines_on_disk() {
        let notebook = Notebook::parse(WRITTEN_BY_PYTHON).unwrap();
        assert_eq!(notebook.cells[1]["source"], "import sys\nprint('a\\u2028b')\n{'a': 1}");
        assert_eq!(notebook.cells[1]["outputs"][0]["text"], "a\u{2028}b\r\nc\n");
    }

    #[test]
    fn what_stands_in_outputs_of_another_cell_than_code_stays_as_it_is() {
        let output = r#"{"data":{"text/plain":"a"},"text":["b","c"]}"#;
        let text = format!(
            r#"{{"cells":[{{"cell_type":"raw","id":"x","outputs":[{output}]}}],"nbformat":4}}"#
        );
        let notebook = Notebook::parse(&text).unwrap();
        assert_eq!(notebook.cells[0]["outputs"][0].to_string(), output);
        assert_eq!(Notebook::parse(&notebook.to_json()).unwrap().cells, notebook.cells);
    }

    #[test]
    fn a_text_whose_type_only_sounds_like_json_is_a_text() {
        let output = r#"{"output_type":"display_data","metadata":{},"data":{"text/x+json":["a\n","b"],"application/x+json":["c"]}}"#;
        let text = format!(
            r#"{{"cells":[{{"cell_type":"code","id":"x","outputs":[{output}]}}],"nbformat":4}}"#
        );
        let notebook = Notebook::parse(&text).unwrap();
        let data = &notebook.cells[0]["outputs"][0]["data"];
        assert_eq!(*data, json!({"text/x+json": "a\nb", "application/x+json": ["c"]}));
        assert_eq!(Notebook::parse(&notebook.to_json()).unwrap().cells, notebook.cells);
    }

    #[test]
    fn cells_get_an_id_where_none_or_a_second_one_stands() {
        let cell = r#"{"cell_type":"markdown","metadata":{},"source":["a\n","b"]}"#;
        let same = r#"{"cell_type":"raw","id":"x","metadata":{},"source":""}"#;
        let text = format!(
            r#"{{"cells":[{cell},{same},{same}],"metadata":{{}},"nbformat":4,"nbformat_minor":2}}"#
        );
        let notebook = Notebook::parse(&text).unwrap();
        let ids: std::collections::HashSet<_> =
            notebook.cells.iter().map(|cell| cell["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 3);
        assert_eq!(notebook.cells[1]["id"], "x");
        assert!(notebook.to_json().contains("\"nbformat_minor\": 5"));
    }

    #[test]
    fn nbformat_3_is_upgraded() {
        let text = r#"{"metadata":{},"nbformat":3,"nbformat_minor":0,"worksheets":[{"cells":[
            {"cell_type":"code","input":["1+1"],"language":"python","metadata":{},"outputs":[],"prompt_number":7}]}]}"#;
        let notebook = Notebook::parse(text).unwrap();
        assert_eq!(notebook.cells[0]["source"], "1+1");
        assert_eq!(notebook.cells[0]["execution_count"], 7);
    }

    #[test]
    fn headings_of_nbformat_3_become_those_that_markdown_knows() {
        for (level, source) in [(-1, "# t"), (2, "## t"), (i32::MAX, "###### t")] {
            let text = format!(
                r#"{{"metadata":{{}},"nbformat":3,"nbformat_minor":0,"worksheets":[{{"cells":[
                {{"cell_type":"heading","level":{level},"metadata":{{}},"source":["t"]}}]}}]}}"#
            );
            assert_eq!(Notebook::parse(&text).unwrap().cells[0]["source"], source);
        }
    }

    #[test]
    fn what_is_no_notebook_is_refused_with_what_was_found() {
        let check = |text: &str, message: &str| {
            assert_eq!(Notebook::parse(text).unwrap_err().to_string(), message);
        };
        check("[]", "expected a notebook of nbformat 3 or 4, found no field `nbformat`");
        check(r#"{"nbformat":5}"#, "expected a notebook of nbformat 3 or 4, found nbformat 5");
        check(r#"{"nbformat":4}"#, "expected a notebook of nbformat 3 or 4, found no list `cells`");
        check(
            r#"{"nbformat":4,"cells":[{}]}"#,
            "expected a notebook of nbformat 3 or 4, found a cell 0 without `cell_type`",
        );
        assert!(Notebook::parse("{").is_err());
        assert!(Notebook::parse(r#"{"nbformat":3,"worksheets":7}"#).is_err());
    }

    #[test]
    fn hostile_texts_are_refused_and_harmless_oddities_are_read() {
        let deep =
            format!(r#"{{"nbformat":4,"cells":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        let in_3 = format!(
            r#"{{"nbformat":3,"worksheets":{}1{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        let half = r#"{"nbformat":4,"cells":[{"cell_type":"code","source":"\ud83d"}]}"#;
        for text in [&*deep, &*in_3, half, "", "\u{feff}", "\0", r#"{"nbformat":4,"cells":{}}"#] {
            assert!(Notebook::parse(text).is_err(), "{text:.60}");
        }
        // A mark of the byte order, ends of lines of Windows, fields missing or of another type.
        let odd = "\u{feff}{\r\n\"nbformat\":4,\r\n\"metadata\":7,\"cells\":[{\"cell_type\":\"code\",\"source\":7,\
                   \"outputs\":7,\"execution_count\":-1,\"metadata\":null,\"id\":7}]}";
        let read = Notebook::parse(odd).unwrap();
        assert_eq!(read.cells[0]["source"], "");
        assert_eq!(Notebook::parse(&read.to_json()).unwrap(), read);
    }
}
