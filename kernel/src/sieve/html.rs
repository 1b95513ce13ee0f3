//! HTML of a step, made to show text and tables. Pure.
//!
//! [`ammonia`] parses it as a browser does and writes anew what an allow-list knows: no script, no frame, no form, no
//! address that is loaded. Style sheets, which it does not read, go through [`super::css`]; ids and classes become
//! names of the fragment's own, so that `class="jp-Dialog"` is no dialog of JupyterLab's.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use ammonia::{Builder, UrlRelative};

use super::css;
use super::image::is_image_url;
use super::scope::Scope;

const ELEMENTS: [&str; 57] = [
    "a",
    "abbr",
    "b",
    "bdi",
    "blockquote",
    "br",
    "caption",
    "center",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
];

/// Elements whose content is not text of the page: it goes with them. Of all others that are not known, it stays.
const GONE: [&str; 26] = [
    "applet", "audio", "base", "button", "canvas", "embed", "frame", "frameset", "iframe", "input",
    "link", "math", "meta", "noembed", "noframes", "noscript", "object", "option", "script",
    "select", "style", "svg", "template", "textarea", "title", "video",
];

/// Of [`GONE`], those whose loss leaves a table or a text as it was; nothing is said of it.
const UNSEEN: [&str; 4] = ["style", "title", "meta", "base"];

const ATTRIBUTES: [(&str, &[&str]); 8] = [
    ("a", &["href"]),
    ("col", &["span"]),
    ("colgroup", &["span"]),
    ("details", &["open"]),
    ("img", &["src", "alt", "width", "height"]),
    ("ol", &["start"]),
    ("table", &["border"]),
    ("td", &CELL),
];

const CELL: [&str; 5] = ["align", "colspan", "rowspan", "scope", "valign"];

const EVERYWHERE: [&str; 6] = ["id", "class", "style", "title", "hidden", "dir"];

/// How pandas begins a `DataFrame`: rules for its table alone. They stay as they are, so that a notebook that is run again
/// under another kernel has the same outputs.
const FRAME: &str = "<div>\n<style scoped>\n    .dataframe tbody tr th:only-of-type {\n        vertical-align: middle;\n    \
    }\n\n    .dataframe tbody tr th {\n        vertical-align: top;\n    }\n\n    .dataframe thead th {\n        \
    text-align: right;\n    }\n</style>";

/// A fragment without what could do harm.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cleaned {
    /// What is left.
    pub(super) html: String,
    /// Whether something that could be seen is gone.
    pub(super) is_less: bool,
}

/// Makes `source` harmless; nothing, when nothing is left to see. What is harmless as it is stays byte for byte.
pub(super) fn clean(source: &str) -> Option<Cleaned> {
    let scope = Scope::of(source);
    if let Some(table) = source.strip_prefix(FRAME) {
        let table = format!("<div>{table}");
        if builder(&scope).clean(&table).to_string() == table {
            return Some(Cleaned { html: source.to_owned(), is_less: false });
        }
    }
    let style = css::sheet(&style_sheets(source), &scope);
    let html = builder(&scope).clean(source).to_string();
    if !shows_something(&html) {
        return None;
    }
    let html = if style.is_empty() {
        html
    } else {
        format!("<div class=\"{}\"><style>{style}</style>{html}</div>", scope.name())
    };
    Some(Cleaned { html, is_less: loses_something(source) })
}

fn builder(scope: &Scope) -> Builder<'static> {
    let mut attributes: HashMap<_, HashSet<_>> = ATTRIBUTES
        .into_iter()
        .map(|(element, names)| (element, names.iter().copied().collect()))
        .collect();
    attributes.insert("th", CELL.into_iter().collect());
    let mut builder = Builder::empty();
    let scope = scope.clone();
    builder
        .tags(ELEMENTS.into_iter().collect())
        .clean_content_tags(GONE.into_iter().collect())
        .tag_attributes(attributes)
        .generic_attributes(EVERYWHERE.into_iter().collect())
        .url_schemes(["http", "https", "mailto", "data"].into_iter().collect())
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_value("a", "target", "_blank")
        .attribute_filter(move |element, name, value| attribute(&scope, element, name, value));
    builder
}

fn attribute<'a>(scope: &Scope, element: &str, name: &str, value: &'a str) -> Option<Cow<'a, str>> {
    let some = |made: String| (!made.is_empty()).then_some(Cow::Owned(made));
    match (element, name) {
        (_, "style") => some(css::declarations(value, scope)),
        (_, "id") => some(scope.named(value)?),
        (_, "class") => some(scope.classes(value)),
        ("img", "src") => is_image_url(value).then_some(Cow::Borrowed(value)),
        ("a", "href") if value.trim_start().to_ascii_lowercase().starts_with("data") => None,
        _ => Some(Cow::Borrowed(value)),
    }
}

/// The texts of all `style` elements, wherever they stand. What is found here only sets the look of what is found
/// elsewhere, so it need not be found as a browser would.
fn style_sheets(source: &str) -> String {
    let lower = source.to_ascii_lowercase();
    let mut made = String::new();
    let mut at = 0;
    while let Some(begin) =
        lower.get(at..).and_then(|rest| rest.find("<style")).map(|found| at + found)
    {
        let Some(open) =
            lower.get(begin..).and_then(|rest| rest.find('>')).map(|end| begin + end + 1)
        else {
            break;
        };
        let rest = lower.get(open..).unwrap_or_default();
        let end = open + rest.find("</style").unwrap_or(rest.len());
        made.push_str(source.get(open..end).unwrap_or_default());
        made.push('\n');
        at = end;
    }
    made
}

/// Whether a reader sees anything of it: a text, a picture, a line.
fn shows_something(html: &str) -> bool {
    html.split('<').any(|part| {
        let (tag, text) = part.split_once('>').unwrap_or(("", part));
        let text = text.replace("&nbsp;", " ");
        tag.starts_with("hr") || tag.starts_with("img src") || !text.trim().is_empty()
    })
}

fn loses_something(source: &str) -> bool {
    let lower = source.to_ascii_lowercase();
    let names = |name: &str| {
        lower.match_indices(&format!("<{name}")).any(|(at, found)| {
            let after = lower.as_bytes().get(at + found.len());
            after.is_none_or(|byte| !byte.is_ascii_alphanumeric())
        })
    };
    let seen = GONE.iter().filter(|name| !UNSEEN.contains(name));
    seen.chain(&["form", "img"]).any(|name| names(name))
}
