use super::*;

#[track_caller]
fn check(names: &Names, place: Place, written: &str, expected: &[&str]) {
    assert_eq!(names.beginning(written, place), expected, "{place:?} after {written:?}");
}

fn known() -> Names {
    let mut names = Names::of_literals(&[String::from("\\t")]);
    names.learn_files(&[FileInfo { name: String::from("sales.csv"), bytes: 1 }]);
    let columns = vec![String::from("region"), String::from("region code"), String::from("a\"b")];
    names.learn_variables(&[Variable { name: String::from("df"), columns }]);
    names
}

#[test]
fn a_string_may_only_become_a_name_that_was_seen() {
    let names = known();
    check(&names, Place::Column, "", &["a\\\"b", "region", "region code"]);
    check(&names, Place::Column, "region", &["region", "region code"]);
    check(&names, Place::Column, "regiom", &[]);
    check(&names, Place::File, "", &["sales.csv"]);
    check(&names, Place::Option, "", &["\\t"]);
}

#[test]
fn where_no_name_of_the_kind_is_known_any_known_name_may_stand() {
    let mut names = Names::default();
    names.learn_question("mean of revenue");
    check(&names, Place::Column, "rev", &["revenue"]);
}

#[test]
fn runs_of_words_of_the_question_are_names() {
    let mut names = Names::default();
    names.learn_question("Sales of shop.csv in \"New York\", 2024?");
    check(&names, Place::Value, "New", &["New", "New York", "New York\\\", 2024"]);
    check(&names, Place::Value, "2024", &["2024"]);
    check(&names, Place::File, "", &["shop.csv"]);
}

#[test]
fn numbers_are_those_that_were_asked_for_or_printed_last() {
    let mut names = Names::default();
    assert_eq!(names.fill().numbers.len(), SMALL);
    names.learn_task("the three largest above -1.5?", &[]);
    names.learn_observation("a|b\n2013-10|7.");
    names.learn_observation("-2.5e-07");
    let texts = |fill: Fill| fill.numbers.into_iter().collect::<Vec<_>>();
    assert_eq!(texts(names.fill()), ["-1.5", "3"]);
    assert_eq!(texts(names.fill_answer()), ["-1.5", "-2.5e-07", "3"]);
    assert_eq!(names.fill().variables, BTreeSet::from([String::from("df")]));
}

#[test]
fn a_file_that_is_not_there_is_not_read_again() {
    let mut names = Names::default();
    names.learn_task("rows of sale.csv?", &[]);
    names.learn_observation("FileNotFoundError: [Errno 2] No such file or directory: 'sale.csv'");
    names.learn_observation("sales.csv\nnotes.txt");
    check(&names, Place::File, "", &["notes.txt", "sales.csv"]);
}

#[test]
fn headers_are_columns_and_cells_words_and_quoted_text_are_values() {
    let mut names = Names::default();
    names.learn_observation(
        "city|n\nSan Juan|3\nKeyError: 'no such'\nNorth Sea  120.5\nunits revenue\nNew York, Rome",
    );
    check(&names, Place::Column, "", &["city", "n"]);
    check(&names, Place::Value, "San", &["San Juan"]);
    check(&names, Place::Value, "no such", &["no such"]);
    check(&names, Place::Value, "North", &["North Sea"]);
    check(&names, Place::Value, "Juan", &[]);
    check(&names, Place::Value, "rev", &["revenue"]);
    check(&names, Place::Value, "New", &["New", "New York", "New York, Rome"]);
    names.learn_observation("['total', 'tip']");
    check(&names, Place::Column, "t", &["tip", "total"]);
}

#[test]
fn what_columns_hold_is_known_of_an_output_that_is_not_read_again() {
    let mut names = Names::default();
    names.learn_task("Do Adelie and Gentoo differ in mass?", &[]);
    names.learn_table("species|mass\nAdelie|3.7\nGentoo|5.1");
    let may_be = |name| names.may_be(name, Kind::Compared);
    assert!(may_be("species") && !may_be("mass"));
    check(&names, Place::File, "species", &[]);
}

#[test]
fn a_text_is_made_a_number_only_where_the_question_speaks_of_it() {
    let spoilt = |question: &str| {
        let mut names = Names::default();
        names.learn_task(question, &[]);
        names.learn_observation("store|units|revenue\nS1|3|$1,120.50\nS2|1|$99.00");
        names.demand().is_some_and(|demand| demand.tables.spoilt)
    };
    assert!(spoilt("total revenue") && spoilt("turnover?"));
    assert!(!spoilt("total units by manager"));
}

#[test]
fn a_file_is_read_while_the_table_that_was_made_of_it_is_there() {
    let mut names = Names::default();
    let file = |name: &str| FileInfo { name: String::from(name), bytes: 1 };
    names.learn_files(&[file("a.csv"), file("b.csv")]);
    names.learn_task("mean of price?", &[]);
    let read = |names: &Names| ["a.csv", "b.csv"].map(|file| names.is_read(file));
    names.learn_step("import pandas as pd\ndf = pd.read_csv(\"a.csv\")\ndf.head(3)");
    assert_eq!(read(&names), [false, false], "no table is known");
    names.learn_variables(&[Variable { name: String::from("df"), columns: vec!["n".into()] }]);
    assert_eq!(read(&names), [true, false]);
    assert!(names.has_unread() && names.demand().is_some_and(|demand| demand.tables.unread));
    names.learn_step("df = pd.read_csv(\"b.csv\")");
    assert_eq!(read(&names), [false, true], "another file took the variable");
    names.learn_variables(&[Variable { name: String::from("other"), columns: vec!["n".into()] }]);
    names.learn_step("other = pd.read_csv(\"a.csv\")");
    assert_eq!(read(&names), [true, true]);
    assert!(!names.has_unread() && names.demand().is_some_and(|demand| !demand.tables.unread));
}
