//! Finds the lines of a cell that cannot be Python, by looking at tokens alone.
//!
//! No grammar is needed for that: in Python two operands never stand side by side. A line where they
//! do, or that holds a character Python does not know, is rejected; what is not rejected may still be
//! wrong, and Python will say so. The reverse, rejecting what Python accepts, must not happen.

use super::{ipython, literal};

/// One token. What does not matter for the judgement is not told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Name(&'a str),
    Number,
    /// A string with its prefix and quotes.
    Text(&'a str),
    Open,
    Close,
    Op(&'a str),
    /// A whole line in `IPython`'s own syntax, or the rest of one.
    Magic(&'a str),
    NewLine,
}

/// What is known about a cell.
#[derive(Debug, Default)]
pub(crate) struct Scan<'a> {
    /// The tokens; comments are left out, and line ends inside brackets.
    pub(crate) tokens: Vec<Token<'a>>,
    /// For each line, what it holds.
    pub(crate) lines: Vec<Line>,
}

/// What is known about one line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// Python cannot accept this line.
    pub(crate) rejected: bool,
    /// The line begins inside a string that began on an earlier one.
    pub(crate) inside_text: bool,
    /// `IPython`'s own syntax.
    pub(crate) magic: bool,
}

/// Reads a cell.
pub(crate) fn scan(code: &str) -> Scan<'_> {
    let mut lexer = Lexer {
        rest: code,
        depth: 0,
        fresh: true,
        renames: false,
        scan: Scan { tokens: Vec::new(), lines: vec![Line::default()] },
    };
    while !lexer.rest.is_empty() {
        lexer.step();
    }
    lexer.push(Token::NewLine);
    lexer.scan
}

struct Lexer<'a> {
    rest: &'a str,
    /// Open brackets; inside them a line end is only space.
    depth: usize,
    /// At the start of a logical line.
    fresh: bool,
    /// The logical line has a keyword that `as` goes with.
    renames: bool,
    scan: Scan<'a>,
}

impl<'a> Lexer<'a> {
    fn step(&mut self) {
        let Some(first) = self.rest.chars().next() else { return };
        match first {
            '\n' => self.line_end(),
            ' ' | '\t' | '\x0C' | '\r' | '\u{FEFF}' => self.skip(first.len_utf8()),
            first if first != '#' && self.fresh && self.magic_line() => {}
            '#' => self.skip(self.rest.find('\n').unwrap_or(self.rest.len())),
            '\\' if self.rest.get(1..).is_some_and(|rest| rest.starts_with(['\n', '\r'])) => {
                self.skip(1);
                let gap = self.rest.find('\n').unwrap_or_default();
                self.skip(gap + 1);
                self.scan.lines.push(Line::default());
            }
            '"' | '\'' => self.string(0, false),
            '0'..='9' => self.number(),
            '.' if self
                .rest
                .get(1..)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) =>
            {
                self.number();
            }
            '_' => self.name(),
            first if unicode_ident::is_xid_start(first) => self.name(),
            _ => self.operator(first),
        }
    }

    /// Takes a whole line of `IPython`'s own syntax, with what a backslash joins to it.
    fn magic_line(&mut self) -> bool {
        let line = self.rest.lines().next().unwrap_or_default();
        if !ipython::is_line(line) {
            return false;
        }
        let whole = self.rest;
        loop {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            let joined = self.rest.get(..end).is_some_and(|line| line.trim_end().ends_with('\\'));
            self.current().magic = true;
            self.skip(end);
            if !joined || self.rest.is_empty() {
                let taken = whole.len() - self.rest.len();
                self.push(Token::Magic(whole.get(..taken).unwrap_or_default()));
                return true;
            }
            self.skip(1);
            self.scan.lines.push(Line::default());
        }
    }

    fn line_end(&mut self) {
        self.skip(1);
        if self.depth == 0 {
            self.push(Token::NewLine);
        }
        self.scan.lines.push(Line::default());
    }

    fn name(&mut self) {
        let end = self.rest.find(|c| !unicode_ident::is_xid_continue(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        let prefix = name.len() <= 2 && name.chars().all(|c| "rRbBuUfFtT".contains(c));
        if prefix && rest.starts_with(['"', '\'']) {
            self.string(end, name.contains(['f', 'F', 't', 'T']));
        } else {
            self.rest = rest;
            self.push(Token::Name(name));
        }
    }

    fn number(&mut self) {
        let size = literal::number(self.rest);
        self.skip(size);
        self.push(Token::Number);
    }

    fn operator(&mut self, first: char) {
        let size = match self.rest.as_bytes() {
            [b'.', b'.', b'.', ..] => 3,
            [
                b'!' | b':' | b'=' | b'<' | b'>' | b'-' | b'+' | b'*' | b'/' | b'%' | b'&' | b'|'
                | b'^' | b'@',
                b'=',
                ..,
            ]
            | [b'-', b'>', ..] => 2,
            _ => first.len_utf8(),
        };
        let (op, rest) = self.rest.split_at(size);
        // Something assigned from the shell or from a magic: the rest of the line is theirs.
        let assigned = self.scan.tokens.last() == Some(&Token::Op("="));
        if self.depth == 0 && assigned && matches!(op, "!" | "%") {
            let line = self.rest.split('\n').next().unwrap_or_default();
            self.skip(line.len());
            return self.push(Token::Magic(line));
        }
        self.rest = rest;
        match first {
            '(' | '[' | '{' => {
                // A brace cannot follow an operand; the other brackets call it or index it.
                if first == '{' && self.operand_before() {
                    self.current().rejected = true;
                }
                self.depth += 1;
                self.push(Token::Open);
            }
            ')' | ']' | '}' => {
                self.current().rejected |= self.depth == 0;
                self.depth = self.depth.saturating_sub(1);
                self.push(Token::Close);
            }
            _ => {
                let known = "+-*/%@&|^~<>=.,:;".contains(first) || op == "!=";
                self.current().rejected |= !known;
                self.push(Token::Op(op));
            }
        }
    }

    /// Takes a string whose prefix is `prefix` bytes long.
    fn string(&mut self, prefix: usize, formatted: bool) {
        let body = self.rest.get(prefix..).unwrap_or_default();
        match literal::string(body, formatted) {
            Some(end) => {
                let text = self.rest.get(..prefix + end).unwrap_or_default();
                let ends = text.matches('\n').count();
                self.push(Token::Text(text));
                let inside = Line { inside_text: true, ..Line::default() };
                self.scan.lines.extend(std::iter::repeat_n(inside, ends));
                self.skip(prefix + end);
            }
            // Triple quotes that never end swallow the rest; a single quote only its line.
            None if body.starts_with("\"\"\"") || body.starts_with("'''") => {
                let ends = self.rest.matches('\n').count();
                let inside = Line { inside_text: true, ..Line::default() };
                self.scan.lines.extend(std::iter::repeat_n(inside, ends));
                self.rest = "";
            }
            None => {
                self.current().rejected = true;
                let line = self.rest.split('\n').next().unwrap_or_default();
                self.skip(line.len());
                self.push(Token::Text(line));
            }
        }
    }

    /// Adds a token, and rejects the line when it cannot follow the one before.
    fn push(&mut self, token: Token<'a>) {
        let rejected = match (self.scan.tokens.last(), token) {
            (Some(Token::Text(_)), Token::Text(_)) => false,
            (_, Token::Number | Token::Text(_)) => self.operand_before(),
            (_, Token::Name(name)) if is_statement(name, self.depth) => self.operand_before(),
            (_, Token::Name("as")) if self.depth == 0 => !self.renames,
            (_, Token::Name(name)) if starts_nothing(name) => self.fresh,
            (_, Token::Name(name)) => !is_keyword(name) && self.operand_before(),
            _ => false,
        };
        self.current().rejected |= rejected;
        self.renames = match token {
            Token::NewLine => false,
            Token::Name("import" | "with" | "except" | "case") => true,
            _ => self.renames,
        };
        self.fresh = self.depth == 0 && matches!(token, Token::NewLine | Token::Magic(_))
            || self.fresh && token == Token::NewLine;
        self.scan.tokens.push(token);
    }

    /// Whether an operand ends just before this place.
    fn operand_before(&self) -> bool {
        match self.scan.tokens.as_slice() {
            [.., Token::Number | Token::Text(_) | Token::Close] => true,
            // `match x:`, `case x:` and `type X = …` are names elsewhere.
            [Token::Name(name)] | [.., Token::NewLine | Token::Op(";"), Token::Name(name)] => {
                !is_keyword(name) && !self.soft_statement(name)
            }
            [.., Token::Name(name)] => !is_keyword(name),
            _ => false,
        }
    }

    /// Whether `name` is a soft keyword, and the rest of the line has what its statement needs.
    fn soft_statement(&self, name: &str) -> bool {
        let line = self.rest.lines().next().unwrap_or_default();
        match name {
            "type" => line.contains('='),
            "lazy" => line.contains("import"),
            // The rest may go on over lines inside brackets.
            "match" | "case" => line.contains([':', '(', '[', '{']),
            _ => false,
        }
    }

    fn current(&mut self) -> &mut Line {
        if self.scan.lines.is_empty() {
            self.scan.lines.push(Line::default());
        }
        self.scan.lines.last_mut().expect("a line was pushed when there was none")
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
}

/// Keywords that cannot be an operand. `True`, `False` and `None` are operands, but English words
/// too; nothing is lost by not looking at them.
pub(super) fn is_keyword(name: &str) -> bool {
    matches!(
        name,
        "False"
            | "None"
            | "True"
            | "and"
            | "as"
            | "assert"
            | "async"
            | "await"
            | "break"
            | "class"
            | "continue"
            | "def"
            | "del"
            | "elif"
            | "else"
            | "except"
            | "finally"
            | "for"
            | "from"
            | "global"
            | "if"
            | "import"
            | "in"
            | "is"
            | "lambda"
            | "nonlocal"
            | "not"
            | "or"
            | "pass"
            | "raise"
            | "return"
            | "try"
            | "while"
            | "with"
            | "yield"
    )
}

/// Keywords that begin a statement, so that no operand can stand before them. In brackets `for` may.
fn is_statement(name: &str, depth: usize) -> bool {
    match name {
        "for" | "async" => depth == 0,
        "while" | "with" | "def" | "class" | "return" | "try" | "del" | "pass" | "break"
        | "continue" | "global" | "nonlocal" | "raise" | "assert" | "yield" | "lambda"
        | "await" | "elif" | "except" | "finally" => true,
        _ => false,
    }
}

/// Keywords that cannot begin a line.
fn starts_nothing(name: &str) -> bool {
    matches!(name, "is" | "in" | "and" | "or")
}
