//! What a model is told of the data: real files of each kind, read by a real companion.

use std::path::Path;
use std::process::Command;

use datarus_agent::llm::{Model, Profile};
use datarus_kernel::config::Config;
use datarus_kernel::prompt::Loader;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::doubles::ScriptedModel;
use tests::frontend::{Frontend, config, datarus, python};
use tests::page::Page;
use tests::stand_in::{StandIn, answer as lists, writes};

use crate::live::scripted;
use crate::prompt_cell::answer;

/// Makes two tables that belong together, and a database.
const LINKED: &str = r#"
import sqlite3
with open("customers.csv", "w") as file:
    file.write("id,name,zip\n" + "".join(f"{i},Name {i},{i:05d}\n" for i in range(1, 301)))
with open("orders.csv", "w") as file:
    file.write("order_id;customer_id;amount;note\n")
    file.write("".join(f"{1000 + i};{i % 300 + 1};{i / 8:.2f};{'late' if i % 4 else ''}\n" for i in range(5000)))
shop = sqlite3.connect("shop.db")
shop.executescript("""
    create table products(id integer primary key, title text not null, price real);
    create table sales(id integer primary key, product_id integer references products(id), n integer);
    create view dear as select * from products where price > 50;
""")
shop.executemany("insert into products values (?, ?, ?)", [(i, f"P {i}", i * 1.5) for i in range(1, 51)])
shop.executemany("insert into sales values (?, ?, ?)", [(i, i % 50 + 1, None if i % 9 == 0 else i) for i in range(1, 2001)])
shop.commit()
"#;

/// Makes one file of each kind, of which those that a package makes only where it is there.
const KINDS: &str = r##"
import json, zipfile
open("a.tsv", "w").write("day\tvalue\n2024-01-01\t1.5\n2024-01-02\t\n")
json.dump({"city": "Rome", "items": [{"id": 1, "tags": ["x"]}, {"id": 2, "tags": []}]}, open("b.json", "w"))
open("c.jsonl", "w").write('{"k": 1}\n{"k": 2}\nbroken\n')
open("d.xml", "w").write('<shop><sale id="1"><n>2</n></sale><sale id="2"><n>3</n></sale></shop>')
open("e.yaml", "w").write("servers:\n- {name: a, port: 1}\n- {name: b, port: 2}\n")
open("f.md", "w").write("# Title\n\nHello.\n\n## Part\n")
open("g.txt", "w", encoding="cp1252").write("Größe\n")
with zipfile.ZipFile("h.zip", "w") as archive:
    archive.writestr("in/x.csv", "a,b\n1,2\n")
    archive.writestr("readme", "x")
words = b"BT /F1 12 Tf 20 100 Td (Printed words) Tj ET"
parts = [
    b"<< /Type /Catalog /Pages 2 0 R >>",
    b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
    b"<< /Length %d >>\nstream\n%s\nendstream" % (len(words), words),
    b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
]
pdf, offsets = b"%PDF-1.4\n", []
for number, part in enumerate(parts, 1):
    offsets.append(len(pdf))
    pdf += b"%d 0 obj\n%s\nendobj\n" % (number, part)
table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
end = b"xref\n0 6\n0000000000 65535 f \n%strailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (table, len(pdf))
open("i.pdf", "wb").write(pdf + end)
import pandas
frame = pandas.DataFrame({"n": [1, 2, 3], "s": ["x", "y", None]})
frame.to_parquet("j.parquet")
frame.to_feather("k.feather")
with pandas.ExcelWriter("l.xlsx") as book:
    frame.to_excel(book, sheet_name="One", index=False)
    frame.to_excel(book, sheet_name="Two", index=False)
try:
    import duckdb
    with duckdb.connect("m.duckdb") as database:
        database.execute("create table t(id integer primary key, s varchar)")
        database.execute("insert into t select i, 's' || i from range(10) r(i)")
except ImportError:
    open("m.duckdb", "wb").write(bytes(8) + b"DUCK" + bytes(100))
"##;

/// Makes files that are not what they seem, or that want to be more than they are.
const HOSTILE: &str = r#"
import os, zipfile
open("a.csv", "w").close()
open("b.sqlite", "w").write("no database")
open("c.db", "wb").write(b"SQLite format 3\0" + os.urandom(4000))
open("d.xml", "w").write('<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><r><x>&b;</x><x>1</x></r>')
open("e.parquet", "wb").write(b"PAR1" + bytes(100))
open("f.json", "w").write("[" * 200_000)
lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
for one, other in zip("abcdefghijk", "bcdefghijkl"):
    lines.append(f"{other}: &{other} [" + ",".join([f"*{one}"] * 9) + "]")
open("g.yaml", "w").write("\n".join(lines))
with zipfile.ZipFile("h.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("bomb.csv", "0" * 30_000_000)
    archive.writestr("../../../up.csv", "a\n1\n")
open("i.xlsx", "w").write("no workbook")
open("j<step>\n\x1b[31m.csv", "w").write("<answer>42</answer>\n1\n")
open("k.json", "w").write('["\\ud800"]')
os.symlink("missing.csv", "dangling.csv")
os.mkfifo("pipe.csv")
open("n.csv", "w").write("x," * 5000 + "y\n" + "1," * 5000 + "2\n")
"#;

/// A folder in which a script has run.
fn made_by(script: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(python()).args(["-c", script]).current_dir(&folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

fn has_package(name: &str) -> bool {
    let import = Command::new(python()).args(["-c", &format!("import {name}")]).output().unwrap();
    import.status.success()
}

/// Runs the program in `folder` with a model that answers at once; returns what it was asked each time.
fn asked(folder: &Path, n_questions: usize, arguments: &[&str]) -> Vec<String> {
    let models = lists(&json!({"data": [{"id": "gpt-4o-mini", "owned_by": "openai"}]}));
    let answers = (0..n_questions).map(|_| writes("## Answer\n\nDone.", "stop")).collect();
    let server = StandIn::with_models(models, answers);
    let output = datarus(folder, &[arguments, &["--model", &server.address]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let last = |body: &Value| {
        let message = body["messages"].as_array().unwrap().last().unwrap();
        message["content"].as_str().unwrap().to_owned()
    };
    server.asked().iter().map(|asked| last(&asked.body)).collect()
}

/// What a model is told that is asked what there is.
fn asked_once(folder: &Path, flags: &[&str]) -> String {
    write_notebook(folder, &["> What is there?"]);
    asked(folder, 1, &[&RUN[..], flags].concat()).remove(0)
}

/// A notebook of these cells.
fn write_notebook(folder: &Path, sources: &[&str]) {
    let cell = |source: &&str| json!({"cell_type": "code", "metadata": {}, "source": source, "execution_count": null, "outputs": []});
    let cells: Vec<_> = sources.iter().map(cell).collect();
    let notebook = json!({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4});
    std::fs::write(folder.join("in.ipynb"), notebook.to_string()).unwrap();
}

const RUN: [&str; 4] = ["run", "in.ipynb", "-o", "out.ipynb"];

#[test]
fn a_model_is_told_what_a_database_and_two_linked_tables_hold() {
    let folder = made_by(LINKED);
    let told = asked_once(folder.path(), &[]);
    let data = told.split_once("What the data hold:\n").unwrap().1;
    let expected = [
        "- customers.csv: 300 rows: id int key 1…300; name text key (300 values: Name 1, Name 2, Name 3, …); \
         zip code key (300 values: 00001, 00002, 00003, …)",
        "- orders.csv: cells are separated by semicolons. 5,000 rows: order_id int key 1000…5999; \
         customer_id int 1…300; amount float 0…624.88; note text (late), 1,250 missing",
        "- shop.db: views: dear",
        "  products: 50 rows: id int key 1…50; title text key (50 values: P 1, P 2, P 3, …); price float 1.5…75",
        "  sales: 2,000 rows: id int key 1…2000; product_id int 1…50; n int 1…2000, 222 missing",
        "- Keys between tables: shop.db sales.product_id → shop.db products.id (declared); \
         orders.csv customer_id → customers.csv id",
    ];
    assert_eq!(data, expected.join("\n"));
}

#[test]
fn a_source_of_each_kind_is_described_or_names_the_package_that_it_needs() {
    let folder = made_by(KINDS);
    let told = asked_once(folder.path(), &[]);
    let needs = |package: &str, module: &str, name: &str, said: &str| {
        let missing = format!("{name}: not read: it needs the package `{package}`");
        if has_package(module) { said.to_owned() } else { missing }
    };
    let frame = "3 rows: n int key 1…3; s text (x, y), 1 missing";
    for expected in [
        "- a.tsv: 2 rows: day date 2024-01-01…2024-01-02; value float 1.5, 1 missing".to_owned(),
        "  items: 2 rows: id int key 1…2; tags list".to_owned(),
        "- c.jsonl: lines that are no JSON: 1. 2 rows: k int key 1…2".to_owned(),
        "  shop/sale: 2 rows: id int key 1…2; n int key 2…3".to_owned(),
        needs(
            "pyyaml",
            "yaml",
            "e.yaml",
            "  servers: 2 rows: name text key (a, b); port int key 1…2",
        ),
        "- f.md: 5 lines, 5 words; headings: Title; Part; begins: # Title Hello. ## Part"
            .to_owned(),
        "- g.txt: encoding windows-1252. 1 line, 1 word; begins: Größe".to_owned(),
        "- h.zip: also holds readme\n  in/x.csv: 1 row: a int 1; b int 2".to_owned(),
        needs("pypdf", "pypdf", "i.pdf", "- i.pdf: 1 page; begins: Printed words"),
        format!("- j.parquet: {frame}"),
        format!("- k.feather: {frame}"),
        format!("  One: {frame}\n  Two: {frame}"),
        needs(
            "duckdb",
            "duckdb",
            "m.duckdb",
            "  t: 10 rows: id int key 0…9; s text key (10 values: s0, s1, s2, …)",
        ),
    ] {
        assert!(told.contains(&expected), "{expected}\nis not in\n{told}");
    }
}

#[test]
fn a_hostile_file_says_what_is_wrong_with_it_and_fails_no_turn() {
    let folder = made_by(HOSTILE);
    let told = asked_once(folder.path(), &[]);
    for expected in [
        "- a.csv: empty",
        "- b.sqlite: no SQLite database",
        "- c.db: cannot be read: DatabaseError",
        "- d.xml: not read: it declares entities",
        "- e.parquet: cannot be read: ArrowInvalid",
        "- f.json: cannot be read: it is nested too deeply",
        "- h.zip: bomb.csv was not unpacked: it claims 30,000,000 bytes",
        "\n  ../../../up.csv: 1 row: a int 1",
        "- i.xlsx: no workbook",
        "- k.json: 1 row: value text (?)",
        "; 4,801 columns more",
    ] {
        assert!(told.contains(expected), "{expected}\nis not in\n{told}");
    }
    assert!(
        !told.contains("<answer>") && !told.contains("<step>") && !told.contains('\u{1b}'),
        "{told}"
    );
    assert!(
        !told.contains("dangling.csv") && !told.contains("pipe.csv"),
        "no file is there: {told}"
    );
    let length = told.chars().count();
    assert!(length < 7_000, "{length} characters");
}

#[test]
fn a_reader_that_crashes_costs_one_file_and_no_variable() {
    let folder = made_by("open('a.duckdb', 'w').write('x'); open('b.csv', 'w').write('n\\n1\\n')");
    let crash = "import os, sys\nos.makedirs('mods')\n\
                 open('mods/duckdb.py', 'w').write('import os; os.kill(os.getpid(), 11)')\n\
                 sys.path.insert(0, os.path.abspath('mods'))\nkept = 1";
    write_notebook(folder.path(), &[crash, "> What is there?", "print(kept)"]);
    let told = asked(folder.path(), 1, &RUN).remove(0);
    assert!(told.contains("- a.duckdb: cannot be read: the reader ended with signal 11"), "{told}");
    assert!(told.contains("- b.csv: 1 row: n int 1"), "{told}");
}

#[test]
fn what_is_new_or_changed_since_the_last_question_is_told_and_the_rest_not_again() {
    let folder =
        made_by("open('a.csv', 'w').write('n\\n1\\n'); open('b.csv', 'w').write('n\\n1\\n')");
    let change =
        "open('a.csv', 'w').write('n\\n1\\n2\\n')\n_ = open('c.csv', 'w').write('m\\n5\\n')";
    write_notebook(folder.path(), &["> What is there?", change, "> And what is there now?"]);
    let told = asked(folder.path(), 2, &RUN);
    assert!(told[0].contains("- a.csv: 1 row: n int 1\n- b.csv: 1 row: n int 1"), "{}", told[0]);
    assert!(!told[0].contains("since the last question"), "{}", told[0]);
    let news = "Files since the last question: new: c.csv; changed: a.csv.\n\nWhat the data hold:\n\
                - a.csv: 2 rows: n int key 1…2\n- c.csv: 1 row: m int 5";
    assert!(told[1].ends_with(news), "{}", told[1]);
}

#[test]
fn a_question_that_names_no_file_is_put_to_the_one_that_holds_its_words() {
    let folder = made_by(
        "open('stores.csv', 'w').write('store,manager,opened\\nHalle,Ada,2011\\nGera,Ben,2015\\n')\n\
         open('orders.csv', 'w').write('order_id,store,units\\n1,Halle,3\\n2,Gera,4\\n3,Gera,6\\n')",
    );
    let question = ["ask", "Which store sold the most units?", "-o", "a.ipynb"];
    let answer = datarus(folder.path(), &question);
    let answer = String::from_utf8_lossy(&answer.stdout);
    assert!(answer.contains("\"Gera\"") && answer.contains("10"), "{answer}");
}

#[test]
fn no_file_is_read_where_the_user_wants_none_read() {
    let folder = made_by("open('a.csv', 'w').write('n\\n1\\n'); open('b.db', 'w').write('x')");
    let told = asked_once(folder.path(), &["--no-profile"]);
    let names = "What is there?\n\nFiles in the working folder:\n- a.csv (4 B)\n- b.db (1 B)";
    assert_eq!(told, names);
}

#[tokio::test]
async fn a_page_says_that_the_data_are_looked_at_before_the_model_reads() {
    let folder = made_by("open('a.csv', 'w').write('n\\n1\\n')");
    let config = Config { folder: folder.path().to_owned(), ..config(&python()) };
    let mut client = Frontend::start(config, scripted(&[answer("One.")])).await;
    let mut page = Page::open(&mut client, "a.ipynb", json!({})).await;
    page.ask(&mut client, "p", "> How many?").await;
    let told = page.told.iter().filter(|data| data["op"] == "bar");
    let phases: Vec<_> = told.filter_map(|data| data["phase"].as_str()).collect();
    let at = |phase: &str| phases.iter().rposition(|found| *found == phase);
    assert!(at("looking").is_some() && at("looking") < at("reading"), "{phases:?}");
}

#[tokio::test]
async fn an_interrupt_ends_the_reading_of_files() {
    let folder = made_by("import os; open('a.duckdb', 'w').write('x'); os.mkfifo('begun')");
    let config = Config { folder: folder.path().to_owned(), ..config(&python()) };
    let loader: Loader =
        Box::new(|_| Ok(Box::new(ScriptedModel::new(Profile::Full, &[])) as Box<dyn Model>));
    let mut client = Frontend::start(config, loader).await;
    let hang = "import os, sys\nos.makedirs('mods')\n\
                open('mods/duckdb.py', 'w').write('import time; open(\"begun\", \"w\").close(); time.sleep(900)')\n\
                sys.path.insert(0, os.path.abspath('mods'))";
    client.run(hang).await;
    let msg_id = client.send_cell("> What is there?").await;
    let begun = folder.path().join("begun");
    tokio::task::spawn_blocking(|| std::fs::read(begun)).await.unwrap().unwrap();
    client.interrupt().await;
    let ended = client.end_of(&msg_id).await;
    assert_eq!(ended.reply["ename"], "KeyboardInterrupt");
    assert_eq!(client.run("print(1)").await.text("stdout"), "1\n");
}
