use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;

fn source(value: Value) -> Source {
    serde_json::from_value(value).unwrap()
}

#[track_caller]
fn check(name: &str, value: Value, expected: &Expect) {
    expected.assert_eq(&profiles(&[(name.to_owned(), &source(value))]).join("\n"));
}

fn orders() -> Value {
    json!({"tables": [{"name": null, "read": 5_000, "rows": 5_000, "columns": [
        {"name": "order_id", "type": "int", "key": true, "least": "1001", "most": "6000", "distinct": 5_000},
        {"name": "Ship to", "type": "text", "distinct": 40, "examples": ["Rome", "Oslo", "Bonn"], "missing": 12},
        {"name": "late", "type": "bool", "distinct": 2, "examples": ["true", "false"]},
        {"name": "lines", "type": "list"},
    ]}]})
}

#[test]
fn a_table_is_one_line() {
    check(
        "orders.csv",
        orders(),
        &expect![
            "orders.csv: 5,000 rows: order_id int key 1001…6000; `Ship to` text (40 values: Rome, Oslo, Bonn, …), 12 missing; late bool (true, false); lines list"
        ],
    );
}

#[test]
fn several_tables_and_texts_have_a_line_each() {
    let table =
        |name: &str| json!({"name": name, "read": 2, "columns": [{"name": "a", "type": "float"}]});
    let value = json!({
        "tables": [table("first"), table("second sheet")],
        "texts": [{"name": "in/notes.md", "length": "5 lines, 6 words", "headings": ["A"], "beginning": "Hello\nyou"}],
        "notes": ["also holds readme"],
    });
    check(
        "all.zip",
        value,
        &expect![[r#"
        all.zip: also holds readme
          first: 2 rows: a float
          `second sheet`: 2 rows: a float
          in/notes.md: 5 lines, 6 words; headings: A; begins: Hello\nyou"#]],
    );
}

#[test]
fn what_was_not_read_is_said() {
    let table = |facts: Value| {
        let mut table =
            json!({"name": null, "sample": true, "read": 50_000, "columns": [], "more_columns": 3});
        table.as_object_mut().unwrap().extend(facts.as_object().unwrap().clone());
        json!({"tables": [table]})
    };
    check(
        "a.csv",
        table(json!({"rows": 418_685, "estimate": true})),
        &expect!["a.csv: about 410,000 rows, of which the first 50,000 were read: 3 columns more"],
    );
    check(
        "a.db",
        table(json!({"rows": 418_685})),
        &expect!["a.db: 418,685 rows, of which the first 50,000 were read: 3 columns more"],
    );
    check(
        "a.db",
        table(json!({})),
        &expect!["a.db: more than 50,000 rows, which were read: 3 columns more"],
    );
    check("a.db", json!({"notes": ["no SQLite database"]}), &expect!["a.db: no SQLite database"]);
}

#[test]
fn a_name_is_one_word_or_stands_in_marks_and_opens_no_line() {
    let column = |name: &str| json!({"name": name, "type": "int"});
    let columns = ["a b", "`x`", "two\nlines", "", "größe", &"x".repeat(100)].map(column);
    let value = json!({"tables": [{"name": null, "read": 1, "columns": columns}]});
    check(
        "a\nb.csv",
        value,
        &expect![[
            r#"a\nb.csv: 1 row: `a b` int; `'x'` int; `two\nlines` int; `` int; größe int; `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` int"#
        ]],
    );
}

#[test]
fn all_profiles_together_keep_to_the_bound_and_the_small_ones_are_told_whole() {
    let column = |at: usize| json!({"name": format!("column_{at}"), "type": "text", "distinct": 3, "examples": ["one", "two"]});
    let wide = source(
        json!({"tables": [{"name": null, "read": 9, "columns": (0..200).map(column).collect::<Vec<_>>()}]}),
    );
    let small = source(orders());
    for n_wide in [0, 1, 3, 60] {
        let wides = (0..n_wide).map(|at| (format!("wide{at}.csv"), &wide));
        let all: Vec<_> = std::iter::once(("orders.csv".to_owned(), &small)).chain(wides).collect();
        let told = profiles(&all);
        let length: usize = told.iter().map(|text| text.chars().count()).sum();
        assert!(length <= ALL, "{n_wide} wide ones: {length}");
        assert_eq!(told.len(), n_wide + 1, "each is named");
        assert_eq!(n_wide == 60, !told[0].contains("Rome, Oslo"), "{}", told[0]);
    }
}

#[test]
fn keys_say_why_they_are_believed() {
    let link = |evidence| Link { from: "a.csv x".into(), to: "b.csv id".into(), evidence };
    let all = [Evidence::Declared, Evidence::Contained, Evidence::Mostly(97)].map(link);
    expect!["Keys between tables: a.csv x → b.csv id (declared); a.csv x → b.csv id; a.csv x → b.csv id (97 % of its values)"].assert_eq(&keys(&all));
}
