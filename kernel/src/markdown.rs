//! Markdown that a model wrote, made to show text and to load nothing. Pure.
//!
//! A page loads what an image or an element names as soon as it shows it: `![](https://host/?secret)` would tell a
//! foreign host what the model read in a file. So no image stands in what a model wrote, and no HTML but
//! [`HARMLESS`]. Markdown is not parsed for it: parsers differ, and what one takes for code another loads. Links stay
//! links; whoever follows one decides to.

/// Elements that say how text is set. They stay where they bear no attributes.
const HARMLESS: [&str; 21] = [
    "b", "i", "u", "s", "em", "strong", "mark", "small", "sub", "sup", "code", "kbd", "br", "hr",
    "p", "ul", "ol", "li", "table", "tr", "td",
];

const IMAGE: &str = "![";
/// As text; one character more than [`IMAGE`], so that a text that grows keeps its beginning.
const NO_IMAGE: &str = "!\\[";
const NO_ELEMENT: &str = "&lt;";

/// `text` without what a page would load.
pub(crate) fn sanitized(text: &str) -> String {
    let text = text.replace(IMAGE, NO_IMAGE);
    let mut made = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('<') {
        made.push_str(before);
        made.push_str(if begins_element(after) { NO_ELEMENT } else { "<" });
        rest = after;
    }
    made + rest
}

/// What `text` was before it was [`sanitized`].
pub(crate) fn restored(text: &str) -> String {
    let text = text.replace(NO_IMAGE, IMAGE);
    let mut made = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(NO_ELEMENT) {
        made.push_str(before);
        made.push_str(if begins_element(after) { "<" } else { NO_ELEMENT });
        rest = after;
    }
    made + rest
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
        ];
        for (text, expected) in cases {
            assert_eq!(sanitized(text), expected);
            assert_eq!(restored(expected), text);
        }
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
        let text = "See ![a plot](u).";
        let whole = sanitized(text);
        for end in 0..text.len() {
            assert!(whole.starts_with(&sanitized(&text[..end])), "{end}");
        }
    }
}
