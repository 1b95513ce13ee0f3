//! What a piece of Python says by its tokens alone: names, numbers, strings, and what it silences.

use std::collections::BTreeMap;

use crate::executor::Execution;
use crate::grounding::Printed;
use crate::python::Scanner;
use crate::trajectory::Evidence;

/// A token, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    Name(&'a str),
    Number(f64),
    /// What stands between the quotes.
    Text(&'a str),
    Mark(char),
    NewLine,
}

/// The tokens of `code`; comments are left out.
pub(super) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut scanner = Scanner::default();
    let mut at = 0;
    let mut text_from = None;
    while let Some(character) = code.get(at..).and_then(|rest| rest.chars().next()) {
        let before = scanner.in_string();
        if !before && !scanner.in_comment() && is_name_part(character) {
            let rest = code.get(at..).unwrap_or_default();
            let word = rest.split(|c| !is_name_part(c)).next().unwrap_or_default();
            let length = if character.is_ascii_digit() { number_len(rest) } else { word.len() };
            let word = rest.get(..length).unwrap_or_default();
            scanner.push_str(word);
            at += length;
            tokens.push(match word.replace('_', "").parse() {
                Ok(number) if character.is_ascii_digit() => Token::Number(number),
                _ => Token::Name(word),
            });
            continue;
        }
        scanner.push(character);
        at += character.len_utf8();
        match (before, scanner.in_string()) {
            (false, true) => text_from = Some(at),
            (true, false) => {
                let text = text_from.take().and_then(|from| code.get(from..at - 1));
                tokens.push(Token::Text(text.unwrap_or_default().trim_matches(['"', '\''])));
            }
            (true, true) => {}
            (false, false) if scanner.in_comment() => {}
            (false, false) if character == '\n' => tokens.push(Token::NewLine),
            (false, false) if character.is_whitespace() => {}
            (false, false) => tokens.push(Token::Mark(character)),
        }
    }
    tokens
}

/// The strings of `code` that may name something.
pub(super) fn texts(code: &str) -> impl Iterator<Item = &str> {
    tokens(code).into_iter().filter_map(|token| match token {
        Token::Text(text) if text.chars().count() > 1 => Some(text),
        _ => None,
    })
}

/// The numbers that `code` holds, those in its strings too.
pub(super) fn numbers(code: &str) -> Vec<f64> {
    numbers_among(&tokens(code), false)
}

/// The numbers that the statements of `code` give a name: those that set it by `=`; all of them where something else
/// makes it, such as a `def`; none where it is imported. With `bare` only those outside of brackets, which are no
/// arguments and no places.
pub(super) fn given(code: &str, name: &str, bare: bool) -> Vec<f64> {
    let tokens = tokens(code);
    let mut open = 0_usize;
    let statements: Vec<&[Token<'_>]> = tokens
        .split(|token| {
            open = depth_after(open, token);
            open == 0 && matches!(token, Token::NewLine | Token::Mark(';'))
        })
        .collect();
    let names = |tokens: &[Token<'_>]| tokens.contains(&Token::Name(name));
    let imports = |statement: &&[Token<'_>]| {
        matches!(statement.first(), Some(Token::Name("import" | "from"))) && names(statement)
    };
    let sets = |statement: &&[Token<'_>]| {
        assigned(statement).and_then(|end| statement.get(..end)).is_some_and(names)
    };
    let setting: Vec<&[Token<'_>]> = statements.iter().copied().filter(sets).collect();
    let from = match setting.is_empty() {
        true if statements.iter().any(imports) => Vec::new(),
        true => statements,
        false => setting,
    };
    from.into_iter().flat_map(|statement| numbers_among(statement, bare)).collect()
}

fn numbers_among(tokens: &[Token<'_>], bare: bool) -> Vec<f64> {
    let mut open = 0;
    let mut found = Vec::new();
    for token in tokens {
        open = depth_after(open, token);
        match token {
            _ if bare && open > 0 => {}
            Token::Number(number) => found.push(*number),
            Token::Text(text) => found.extend(Printed::read(text).values()),
            Token::Name(_) | Token::Mark(_) | Token::NewLine => {}
        }
    }
    found
}

/// `code` with what makes no difference left out: blanks, comments, the kind of quotes.
pub(super) fn normalised(code: &str) -> String {
    format!(
        "{:?}",
        tokens(code).iter().filter(|token| **token != Token::NewLine).collect::<Vec<_>>()
    )
}

/// Whether `code` silences all that may go wrong in it, or ends Python: then that it ran says nothing.
pub(super) fn silences(code: &str) -> bool {
    let tokens = tokens(code);
    let ends = tokens.windows(2).enumerate().any(|(at, pair)| {
        let called = matches!(pair, [Token::Name("exit" | "quit" | "_exit"), Token::Mark('(')]);
        let of_another = at > 0 && tokens.get(at - 1) == Some(&Token::Mark('.'));
        let of_system = matches!(
            at.checked_sub(2).and_then(|at| tokens.get(at)),
            Some(Token::Name("sys" | "os"))
        );
        called && (!of_another || of_system)
            || matches!(pair, [Token::Name("raise"), Token::Name("SystemExit")])
    });
    ends || tokens.iter().enumerate().any(|(at, token)| {
        *token == Token::Name("except")
            && catches_all_for_nothing(tokens.get(at + 1..).unwrap_or_default())
    })
}

/// After `except`: every exception, and a body that does nothing.
fn catches_all_for_nothing(rest: &[Token<'_>]) -> bool {
    let colon = rest.iter().position(|token| *token == Token::Mark(':'));
    let Some((what, body)) = colon.and_then(|at| rest.split_at_checked(at)) else { return false };
    let all = matches!(what.first(), None | Some(Token::Name("Exception" | "BaseException")));
    let mut body = body.iter().skip(1).filter(|token| **token != Token::NewLine);
    all && matches!(body.next(), Some(Token::Name("pass" | "continue") | Token::Mark('.')) | None)
}

/// What can be told of a cell that nobody watched: it read all that it names, and all that it shows and sets was made
/// from that.
pub(super) fn evidence(code: &str, execution: &Execution) -> Evidence {
    let tokens = tokens(code);
    let mut reads: Vec<String> = Vec::new();
    let mut sets: Vec<String> = Vec::new();
    for line in tokens.split(|token| *token == Token::NewLine) {
        let assigned = assigned(line);
        for (at, token) in line.iter().enumerate() {
            let Token::Name(name) = token else { continue };
            let follows = at.checked_sub(1).and_then(|at| line.get(at));
            let is_target = assigned.is_some_and(|end| at < end)
                && follows.is_none_or(|token| *token == Token::Mark(','));
            if is_target || matches!(follows, Some(Token::Name("as" | "import" | "for"))) {
                sets.push((*name).to_owned());
            }
            let is_plain_target = is_target && assigned == Some(at + 1);
            if follows != Some(&Token::Mark('.')) && !is_plain_target {
                reads.push((*name).to_owned());
            }
        }
    }
    let files =
        texts(code).filter(|text| text.contains('.') && !text.contains(' ')).map(str::to_owned);
    let mut sources = reads.clone();
    sources.extend(files);
    sources.sort_unstable();
    sources.dedup();
    let shows = if execution.outputs.is_empty() {
        Vec::new()
    } else {
        sources.iter().chain(&sets).cloned().collect()
    };
    let writes: BTreeMap<_, _> = sets.into_iter().map(|name| (name, sources.clone())).collect();
    Evidence { reads, writes, shows, ..Evidence::default() }
}

/// Where a statement has the `=` of an assignment.
fn assigned(statement: &[Token<'_>]) -> Option<usize> {
    let mut open = 0;
    statement.iter().enumerate().position(|(at, token)| {
        open = depth_after(open, token);
        *token == Token::Mark('=')
            && statement.get(at + 1) != Some(&Token::Mark('='))
            && !matches!(
                at.checked_sub(1).and_then(|at| statement.get(at)),
                Some(Token::Mark('=' | '!' | '<' | '>'))
            )
            && open == 0
    })
}

/// Brackets that are open after a token, if so many were before it.
fn depth_after(open: usize, token: &Token<'_>) -> usize {
    match token {
        Token::Mark('(' | '[' | '{') => open + 1,
        Token::Mark(')' | ']' | '}') => open.saturating_sub(1),
        _ => open,
    }
}

fn is_name_part(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Length of a number that `text` begins with.
fn number_len(text: &str) -> usize {
    let mut last = ' ';
    let is_part = |c: char| {
        let exponent = matches!(c, '+' | '-') && matches!(last, 'e' | 'E');
        last = c;
        c.is_ascii_alphanumeric() || matches!(c, '.' | '_') || exponent
    };
    let mut is_part = is_part;
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::Status;

    #[test]
    fn tokens_are_names_numbers_strings_and_marks() {
        use Token::{Mark, Name, NewLine, Number, Text};
        let code = "x = df[\"a b\"] # \"no\"\nprint(1.5e-3, 'q', 1_000)";
        assert_eq!(
            tokens(code),
            [
                Name("x"),
                Mark('='),
                Name("df"),
                Mark('['),
                Text("a b"),
                Mark(']'),
                NewLine,
                Name("print"),
                Mark('('),
                Number(0.0015),
                Mark(','),
                Text("q"),
                Mark(','),
                Number(1000.0),
                Mark(')'),
            ]
        );
        assert_eq!(texts("f(\"\"\"long\"\"\", 'x', \"ab\")").collect::<Vec<_>>(), ["long", "ab"]);
        assert_eq!(numbers("print(\"42\", 7)"), [42.0, 7.0]);
        assert_eq!(normalised("print( 'a' )  # now"), normalised("print(\"a\")"));
    }

    #[test]
    fn a_name_is_given_the_numbers_of_what_sets_it() {
        let check = |code: &str, name: &str, bare: bool, expected: &[f64]| {
            assert_eq!(given(code, name, bare), expected, "{code}");
        };
        check("import pandas as pd\ndf.head(3)", "pd", false, &[]);
        check("x = [1,\n 2]\ny = 3; z = 4", "x", false, &[1.0, 2.0]);
        check("x = [1,\n 2]\ny = 3; z = 4", "y", false, &[3.0]);
        check("x = len(df) * 0 + 220.5\nx += 7", "x", true, &[0.0, 220.5, 7.0]);
        check("x = df.head(3).iloc[0]", "x", true, &[]);
        check("def f():\n    return 7", "f", true, &[7.0]);
    }

    #[test]
    fn code_that_silences_its_errors_or_ends_python_is_known() {
        for code in [
            "try:\n    f()\nexcept:\n    pass",
            "try: f()\nexcept Exception as e: ...",
            "import sys\nsys.exit(0)",
            "exit()",
            "os._exit(0)",
            "raise SystemExit",
        ] {
            assert!(silences(code), "{code}");
        }
        for code in [
            "try:\n    f()\nexcept ValueError:\n    pass",
            "try:\n    f()\nexcept Exception:\n    print('no')",
            "plan.exit(1)",
            "'exit()'",
        ] {
            assert!(!silences(code), "{code}");
        }
    }

    #[test]
    fn of_an_unwatched_cell_names_are_told_by_its_tokens() {
        let outputs =
            vec![crate::executor::Output::Stream { name: "stdout".into(), text: "1".into() }];
        let execution = Execution {
            execution_count: None,
            status: Status::Ok,
            outputs,
            figures: vec![],
            seconds: 0.0,
            lost: false,
        };
        let found = evidence(
            "import pandas as pd\ndf = pd.read_csv(\"a.csv\")\ndf[\"x\"] = df.y == 1\ndf",
            &execution,
        );
        assert_eq!(found.writes.keys().collect::<Vec<_>>(), ["df", "pandas", "pd"]);
        assert!(
            found.shows.contains(&"a.csv".to_owned()) && found.reads.contains(&"df".to_owned())
        );
    }
}
