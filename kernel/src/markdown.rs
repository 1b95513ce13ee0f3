//! Markdown that a model wrote, made to show text and to load nothing. Pure.
//!
//! A page loads what an image or an element names as soon as it shows it: `![](https://host/?secret)` would tell a
//! foreign host what the model read in a file. So what a model wrote holds no image, no HTML but [`HARMLESS`], no
//! drawing that a page makes of a block of code, and no mathematics, whose commands can set styles (a `$` is a currency
//! more often than a formula). Markdown is not parsed for it: parsers differ, and what one takes for code another
//! loads. The cost is a `\` or `&lt;` that shows inside code. Links stay links where they lead to a file or a place on
//! the web; whoever follows one decides to. One that would run something, `javascript:` or `command:`, is text.

/// Elements that say how text is set. They stay where they bear no attributes.
const HARMLESS: [&str; 21] = [
    "b", "i", "u", "s", "em", "strong", "mark", "small", "sub", "sup", "code", "kbd", "br", "hr",
    "p", "ul", "ol", "li", "table", "tr", "td",
];

/// Languages that a block of code may be in; a page draws others, such as `mermaid`.
const LANGUAGES: [&str; 12] =
    ["python", "py", "sql", "json", "text", "csv", "bash", "sh", "r", "html", "yaml", "markdown"];

/// What begins something else than text, and as text. The latter is longer, so that a text that grows keeps its
/// beginning, and is read as the former.
const MARKS: [(&str, &str); 5] = [
    ("![", "!\\["),
    // JupyterLab's delimiters of mathematics; `$` is the fourth.
    ("\\\\(", "\\\\&#40;"),
    ("\\\\[", "\\\\&#91;"),
    ("\\begin{", "\\begin\\{"),
    ("\\end{", "\\end\\{"),
];

const NO_ELEMENT: &str = "&lt;";

/// Schemes of addresses that a link may lead to.
const SCHEMES: [&str; 3] = ["http:", "https:", "mailto:"];

/// What stands for a `](` or `]:` that leads elsewhere.
const NO_LINKS: [(&str, &str); 2] = [("](", "]\\("), ("]:", "]\\:")];

/// `text` without what a page would load.
pub(crate) fn sanitized(text: &str) -> String {
    let marked =
        MARKS.iter().fold(text.to_owned(), |text, (mark, plain)| text.replace(mark, plain));
    let mut made = String::with_capacity(marked.len());
    let mut fence = 0;
    for (at, c) in marked.char_indices() {
        let rest = marked.get(at + c.len_utf8()..).unwrap_or_default();
        match c {
            '<' if begins_element(rest) => made.push_str(NO_ELEMENT),
            '$' if !made.ends_with('\\') => made.push_str("\\$"),
            ']' if leads_elsewhere(rest) => made.push_str("]\\"),
            _ => made.push(c),
        }
        fence = if matches!(c, '`' | '~') { fence + 1 } else { 0 };
        if fence > 2 && !rest.starts_with(['`', '~']) && begins_drawing(rest) {
            made.push_str("text ");
        }
    }
    made
}

/// What `text` was before it was [`sanitized`], but for what looked sanitized already and for the language of a drawing.
pub(crate) fn restored(text: &str) -> String {
    let text = MARKS
        .iter()
        .chain(&NO_LINKS)
        .fold(text.replace("\\$", "$"), |text, (mark, plain)| text.replace(plain, mark));
    let mut made = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(NO_ELEMENT) {
        made.push_str(before);
        made.push_str(if begins_element(after) { "<" } else { NO_ELEMENT });
        rest = after;
    }
    made + rest
}

/// Whether what follows a `]` is the address of a link, and of none of [`SCHEMES`]. What hides a colon counts as one:
/// an entity, an escape.
fn leads_elsewhere(after: &str) -> bool {
    let Some(target) = after.strip_prefix(['(', ':']) else { return false };
    let target = target.trim_start();
    let address = match target.strip_prefix('<') {
        Some(inner) => inner.split(['>', '\n']).next(),
        None => target.split(|c: char| c.is_whitespace() || c == ')').next(),
    };
    // A browser passes over tabs and controls in an address.
    let is_read = |c: &char| !c.is_whitespace() && !c.is_control();
    let address: String = address.unwrap_or_default().chars().filter(is_read).collect();
    let address = address.to_ascii_lowercase();
    let before_path = address.split(['/', '?', '#']).next().unwrap_or_default();
    before_path.contains([':', '&', '\\'])
        && !SCHEMES.iter().any(|scheme| address.starts_with(scheme))
}

/// Whether the language after a fence is none of [`LANGUAGES`].
fn begins_drawing(after: &str) -> bool {
    let info = after.lines().next().unwrap_or_default();
    info.split_whitespace().next().is_some_and(|word| !LANGUAGES.contains(&word))
}

/// Whether what follows a `<` makes it the beginning of an element that is not [`HARMLESS`], or of a comment or
/// declaration.
fn begins_element(after: &str) -> bool {
    if after.starts_with(['!', '?']) {
        return true;
    }
    let name_on = after.strip_prefix('/').unwrap_or(after);
    let len = name_on.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name_on.len());
    let (name, end) = name_on.split_at_checked(len).unwrap_or_default();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return false;
    }
    let is_bare = end.trim_start().trim_start_matches('/').starts_with('>');
    let is_harmless = HARMLESS.iter().any(|known| known.eq_ignore_ascii_case(name));
    !(is_bare && is_harmless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_would_load_is_text() {
        let cases = [
            ("![plot](https://host/a.png)", "!\\[plot](https://host/a.png)"),
            (
                "\\![x](u) and [![x](u)](v) and ![x][r]",
                "\\!\\[x](u) and [!\\[x](u)](v) and !\\[x][r]",
            ),
            ("`![x](u)`", "`!\\[x](u)`"),
            ("<img src=https://host/a.png>", "&lt;img src=https://host/a.png>"),
            ("a<IMG\nsrc='u'>", "a&lt;IMG\nsrc='u'>"),
            ("<b style=\"background:url(u)\">x</b>", "&lt;b style=\"background:url(u)\">x</b>"),
            ("<style>@import 'u'</style>", "&lt;style>@import 'u'&lt;/style>"),
            ("</details><svg/onload=f()>", "&lt;/details>&lt;svg/onload=f()>"),
            ("<!-- --><?php?>", "&lt;!-- -->&lt;?php?>"),
            ("<https://host>", "&lt;https://host>"),
            ("$5 or $a$, \\\\(b\\\\)", "\\$5 or \\$a\\$, \\\\&#40;b\\\\)"),
            ("\\begin{a}\\end{a} \\\\[x", "\\begin\\{a}\\end\\{a} \\\\&#91;x"),
        ];
        for (text, expected) in cases {
            assert_eq!(sanitized(text), expected);
            assert_eq!(restored(expected), text);
        }
    }

    #[test]
    fn a_link_that_would_run_something_is_text() {
        for (text, expected) in [
            ("[x](javascript:f())", "[x]\\(javascript:f())"),
            ("[x]( JavaScript:f())", "[x]\\( JavaScript:f())"),
            ("[x](<\tjava\tscript:f()>)", "[x]\\(<\tjava\tscript:f()>)"),
            ("[x](java&Tab;script&colon;f())", "[x]\\(java&Tab;script&colon;f())"),
            ("[x](javascript\\:f())", "[x]\\(javascript\\:f())"),
            ("[x](data:text/html,x) [y](command:z)", "[x]\\(data:text/html,x) [y]\\(command:z)"),
            ("[x][r]\n\n[r]: vbscript:f()", "[x][r]\n\n[r]\\: vbscript:f()"),
            ("[r]:\n<\njavascript:f()>", "[r]:\n<\njavascript:f()>"),
        ] {
            assert_eq!(sanitized(text), expected);
            assert_eq!(restored(expected), text);
        }
        for text in [
            "[x](https://h/?a:b) [y](HTTP://h)",
            "[a](b.csv) [c](#cell-id=t_1-2c \"cell 5\") [d](/e:f) [g](mailto:h@i)",
            "[r]: https://h",
            "[1]",
        ] {
            assert_eq!(sanitized(text), text);
        }
    }

    #[test]
    fn no_drawing_is_made_of_a_block_of_code() {
        assert_eq!(sanitized("```mermaid\nx\n```"), "```text mermaid\nx\n```");
        assert_eq!(sanitized("~~~~ m\\ermaid\n"), "~~~~text  m\\ermaid\n");
        for text in ["```python\nx\n```", "```\nx\n```", "`a` and ``b``"] {
            assert_eq!(sanitized(text), text);
        }
    }

    #[test]
    fn what_is_escaped_stays_escaped() {
        assert_eq!(sanitized("\\$5 and \\\\$x$"), "\\$5 and \\\\$x\\$");
    }

    #[test]
    fn text_and_harmless_elements_stay() {
        for text in [
            "2 < 3 and a<3, 5 > 4!",
            "x<sub>1</sub><br/>y<BR />",
            "[a](b.csv) is great! [c](d)",
            "&lt; 5",
        ] {
            assert_eq!(sanitized(text), text);
            assert_eq!(restored(text), text);
        }
    }

    #[test]
    fn an_image_that_is_written_bit_by_bit_keeps_its_beginning() {
        let text = "See ![a plot](u) for $5 \\\\(x.";
        let whole = sanitized(text);
        for end in 0..text.len() {
            assert!(whole.starts_with(&sanitized(&text[..end])), "{end}");
        }
    }
}
