//! Just enough of Python's lexical rules to know whether a place in a piece of code lies inside a string.

/// Reads Python character by character and knows where strings and comments begin and end.
///
/// # Source
/// <https://docs.python.org/3/reference/lexical_analysis.html#string-and-bytes-literals>
#[derive(Debug, Clone, Default)]
pub(crate) struct Scanner {
    place: Place,
    /// Quotes of one kind seen in a row: they open or close, as one or as three.
    quotes: usize,
    /// What stands in the open string so far.
    content: String,
}

/// Where the scanner stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Between strings and comments.
    #[default]
    Code,
    /// After `#`, to the end of the line.
    Comment,
    /// In a string that `quote` opened.
    Literal {
        /// `'` or `"`.
        quote: char,
        /// Opened by three quotes.
        triple: bool,
        /// After a backslash: the next character means nothing by itself.
        escaped: bool,
    },
    /// After one or two quotes in code: an opened string, an empty one, or the start of a triple quote.
    Opening {
        /// `'` or `"`.
        quote: char,
    },
}

impl Scanner {
    /// Takes the next character of the code.
    pub(crate) fn push(&mut self, character: char) {
        match self.place {
            Place::Code => self.in_code(character),
            Place::Comment => {
                if character == '\n' {
                    self.place = Place::Code;
                }
            }
            Place::Opening { quote } => self.opening(quote, character),
            Place::Literal { quote, triple, escaped } => {
                self.in_literal(quote, triple, escaped, character);
            }
        }
    }

    /// Takes all of `code`.
    pub(crate) fn push_str(&mut self, code: &str) {
        code.chars().for_each(|character| self.push(character));
    }

    /// Whether the next character would belong to a string.
    pub(crate) fn in_string(&self) -> bool {
        match self.place {
            Place::Literal { .. } => true,
            Place::Opening { .. } => self.quotes == 1,
            Place::Code | Place::Comment => false,
        }
    }

    /// Whether the next character would belong to a comment.
    pub(crate) fn in_comment(&self) -> bool {
        self.place == Place::Comment
    }

    /// What stands so far in an open string of one double quote; `None` anywhere else.
    pub(crate) fn double_quoted(&self) -> Option<&str> {
        match self.place {
            Place::Literal { quote: '"', triple: false, .. } => Some(&self.content),
            Place::Opening { quote: '"' } if self.quotes == 1 => Some(""),
            _ => None,
        }
    }

    fn in_code(&mut self, character: char) {
        match character {
            '#' => self.place = Place::Comment,
            '"' | '\'' => {
                self.place = Place::Opening { quote: character };
                self.quotes = 1;
            }
            _ => {}
        }
    }

    fn opening(&mut self, quote: char, character: char) {
        match (self.quotes, character == quote) {
            (1, true) => self.quotes = 2,
            (_, true) => self.open(quote, true),
            (1, false) => {
                self.open(quote, false);
                self.push(character);
            }
            // Two quotes and something else: the string was empty.
            (_, false) => {
                self.place = Place::Code;
                self.push(character);
            }
        }
    }

    fn open(&mut self, quote: char, triple: bool) {
        self.place = Place::Literal { quote, triple, escaped: false };
        self.quotes = 0;
        self.content.clear();
    }

    fn in_literal(&mut self, quote: char, triple: bool, escaped: bool, character: char) {
        self.content.push(character);
        let is_quote = character == quote && !escaped;
        self.quotes = if is_quote { self.quotes + 1 } else { 0 };
        let closed = self.quotes == if triple { 3 } else { 1 };
        // A newline ends a string of one quote: Python reports it, and what follows is code again.
        let broken = character == '\n' && !triple && !escaped;
        self.place = if closed || broken {
            Place::Code
        } else {
            Place::Literal { quote, triple, escaped: character == '\\' && !escaped }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: &str, in_string: bool, double_quoted: Option<&str>) {
        let mut scanner = Scanner::default();
        scanner.push_str(code);
        assert_eq!(
            (scanner.in_string(), scanner.double_quoted()),
            (in_string, double_quoted),
            "{code}"
        );
    }

    #[test]
    fn a_place_in_code_is_known_to_be_inside_a_string_or_not() {
        check("df", false, None);
        check("df[\"", true, Some(""));
        check("df[\"re", true, Some("re"));
        check("df[\"re\"", false, None);
        check("df[\"re\"][\"mo", true, Some("mo"));
        check("x = \"\"", false, None);
        check("x = \"\" + \"a", true, Some("a"));
        check("x = \"\"\"", true, None);
        check("x = \"\"\"a\"b\"\"c\nd", true, None);
        check("x = \"\"\"a\"\"\"", false, None);
        check("x = '\"", true, None);
        check("x = '\"'", false, None);
        check("x = '\"' + \"", true, Some(""));
        check("x = \"a\\\"b", true, Some("a\\\"b"));
        check("x = \"a\\\\\"", false, None);
        check("# say \"hello", false, None);
        check("# say \"hello\nf(\"", true, Some(""));
        check("x = \"# no comment", true, Some("# no comment"));
        check("x = \"broken\ny", false, None);
        check("x = \"joined\\\ny", true, Some("joined\\\ny"));
        check("r\"\\\"", true, Some("\\\""));
        check("'''it's''' + \"", true, Some(""));
    }
}
