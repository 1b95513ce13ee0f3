//! Style rules of a foreign fragment, made to set the look of that fragment and nothing else. Pure.
//!
//! What stays is written anew from an allow-list: properties that set how text, tables and drawings look, no place on
//! the page, no address. Rules that hold an escape, an at-rule or an unknown function are left out whole, so that
//! splitting at `{`, `}` and `;` is exact.

use super::scope::Scope;

/// Properties that stay, and all that begin with one of [`FAMILIES`].
const PROPERTIES: [&str; 51] = [
    "alignment-baseline",
    "background",
    "background-color",
    "baseline-shift",
    "caption-side",
    "clip-path",
    "clip-rule",
    "color",
    "direction",
    "dominant-baseline",
    "empty-cells",
    "fill",
    "fill-opacity",
    "fill-rule",
    "height",
    "image-rendering",
    "letter-spacing",
    "line-height",
    "list-style-type",
    "marker-end",
    "marker-mid",
    "marker-start",
    "mask",
    "max-height",
    "max-width",
    "min-height",
    "min-width",
    "opacity",
    "paint-order",
    "shape-rendering",
    "stop-color",
    "stop-opacity",
    "stroke",
    "stroke-dasharray",
    "stroke-dashoffset",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-miterlimit",
    "stroke-opacity",
    "stroke-width",
    "table-layout",
    "text-align",
    "text-anchor",
    "text-decoration",
    "text-rendering",
    "text-transform",
    "vector-effect",
    "vertical-align",
    "white-space",
    "width",
    "word-wrap",
];

const FAMILIES: [&str; 4] = ["border", "font", "margin", "padding"];

const FUNCTIONS: [&str; 6] = ["rgb", "rgba", "hsl", "hsla", "linear-gradient", "url"];

const PSEUDO_CLASSES: [&str; 9] = [
    "hover",
    "first-child",
    "last-child",
    "only-child",
    "first-of-type",
    "last-of-type",
    "only-of-type",
    "nth-child(even)",
    "nth-child(odd)",
];

/// The rules of a style sheet that stay, each for what is within the scope alone.
pub(super) fn sheet(text: &str, scope: &Scope) -> String {
    let mut made = String::new();
    let text = without_comments(text);
    // One at-rule could hold rules of its own, one escape could hide anything.
    if text.contains(['@', '\\', '<']) {
        return made;
    }
    for rule in text.split_inclusive('}') {
        let Some((selectors, block)) = rule.trim().trim_end_matches('}').split_once('{') else {
            continue;
        };
        let selectors: Option<Vec<_>> =
            selectors.split(',').map(|selector| scoped(selector, scope)).collect();
        let declared = staying(block, scope).join("; ");
        if let Some(selectors) = selectors.filter(|_| !declared.is_empty()) {
            let rule = format!("{} {{{declared}}}\n", selectors.join(", "));
            made.push_str(&rule);
        }
    }
    made
}

/// The declarations of a `style` attribute that stay; one of which all do stays as it is.
pub(super) fn declarations(block: &str, scope: &Scope) -> String {
    let stay = staying(block, scope).join("; ");
    let written: Vec<_> = block.split(';').map(str::trim).filter(|text| !text.is_empty()).collect();
    if stay == written.join("; ") { block.trim().to_owned() } else { stay }
}

fn staying(block: &str, scope: &Scope) -> Vec<String> {
    if block.contains(['{', '}']) {
        return Vec::new();
    }
    let block = without_comments(block);
    block.split(';').filter_map(|declaration| declaration_of(declaration, scope)).collect()
}

fn declaration_of(declaration: &str, scope: &Scope) -> Option<String> {
    let (property, value) = declaration.split_once(':')?;
    let property = property.trim().to_ascii_lowercase();
    let value = value_of(&property, value, scope)?;
    Some(format!("{property}: {value}"))
}

/// The value of a property, if both may stay; of an SVG's attribute, too, which says the same.
pub(super) fn value_of(property: &str, value: &str, scope: &Scope) -> Option<String> {
    let is_known = PROPERTIES.contains(&property)
        || FAMILIES.iter().any(|family| {
            property
                .strip_prefix(family)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        });
    let value = value.trim();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " \t\n#%.,()+-/!'\"_".contains(c);
    // A string that does not end would swallow what follows.
    let is_closed = |quote| value.matches(quote).count() % 2 == 0;
    // What is moved by a margin could lie over what is not ours.
    let is_moved = property.starts_with("margin") && value.contains('-');
    let fits = is_known
        && !is_moved
        && !value.is_empty()
        && value.chars().all(is_plain)
        && is_closed('\'')
        && is_closed('"')
        && functions(value).all(|name| FUNCTIONS.contains(&name.as_str()));
    if !fits {
        return None;
    }
    match value.to_ascii_lowercase().split_once("url(") {
        None => Some(value.to_owned()),
        Some(_) => local_url(value, scope),
    }
}

/// A value that names an element of the fragment, and says nothing else.
fn local_url(value: &str, scope: &Scope) -> Option<String> {
    let inner = value.strip_prefix("url(")?.strip_suffix(')')?.trim();
    let id = inner.trim_matches(['\'', '"']).strip_prefix('#')?;
    Some(format!("url(#{})", scope.named(id)?))
}

/// The names of the functions in a value, in lower case; a bare parenthesis has an empty one, which is none of ours.
fn functions(value: &str) -> impl Iterator<Item = String> {
    value.match_indices('(').map(|(at, _)| {
        let before = value.get(..at).unwrap_or_default();
        let begin = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        before.get(begin.map_or(0, |begin| begin + 1)..).unwrap_or_default().to_ascii_lowercase()
    })
}

/// A selector within the scope: elements, ids, classes, a few pseudo-classes; descendants and children.
fn scoped(selector: &str, scope: &Scope) -> Option<String> {
    let mut made = format!(".{}", scope.name());
    let mut has_part = false;
    for part in selector.replace('>', " > ").split_whitespace() {
        has_part = true;
        made.push(' ');
        if part == ">" {
            made.push('>');
        } else {
            made.push_str(&compound(part, scope)?);
        }
    }
    has_part.then_some(made)
}

/// `td.data:hover`, with the fragment's own names for ids and classes.
fn compound(part: &str, scope: &Scope) -> Option<String> {
    let mut made = String::new();
    let mut rest = part;
    while let Some(mark) = rest.chars().next() {
        let after = rest.get(mark.len_utf8()..)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let end = after.find(['#', '.', ':', '*']).unwrap_or(after.len());
        let (name, next) = after.split_at_checked(end)?;
        match mark {
            '*' if name.is_empty() => made.push('*'),
            '#' => made.extend(["#", scope.named(name)?.as_str()]),
            '.' => made.extend([".", scope.class(name)?.as_str()]),
            ':' if PSEUDO_CLASSES.contains(&name) => made.extend([":", name]),
            _ if mark.is_ascii_alphabetic() && name.chars().all(is_name) => {
                made.push(mark);
                made.push_str(name);
            }
            _ => return None,
        }
        rest = next;
    }
    Some(made)
}

fn without_comments(text: &str) -> String {
    let mut made = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        made.push_str(before);
        made.push(' ');
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    made + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(sheet(text, &Scope::called("s")).trim_end(), expected, "{text}");
    }

    #[test]
    fn rules_are_for_the_fragment_alone() {
        check("body, #a td.b:hover {color: red}", ".s body, .s #s-a td.s-b:hover {color: red}");
        check(".dataframe > th {text-align: right;}", ".s .dataframe > th {text-align: right}");
        check(
            "*{stroke-linejoin: round; stroke-linecap: butt}",
            ".s * {stroke-linejoin: round; stroke-linecap: butt}",
        );
    }

    #[test]
    fn what_loads_or_leaves_its_place_is_left_out() {
        for text in [
            "a {background: url(http://h)}",
            "a {background: URL('//h')}",
            "a {background: image-set('h' 1x)}",
            "@import 'http://h';",
            "a {position: fixed; z-index: 9; transform: none; content: 'x'; display: none}",
            "a {margin: -9px}",
            "a {width: calc(1px + (2px))}",
            "a {color: expression(f())}",
            "a {color: var(--x)}",
            "a {color: r\\65 d}",
            "a {color: 'x}",
            "a[href^=x] {color: red}",
            "a + b, a ~ b {color: red}",
            "a:has(b) {color: red}",
            "</style><script> {color: red}",
            "{color: red}",
        ] {
            check(text, "");
        }
    }

    #[test]
    fn comments_and_broken_rules_do_no_harm() {
        check("/* { */ a {color: red /* } */} b {", ".s a {color: red}");
        check(
            "a {color: red; x; : ; width} } b {color: blue}",
            ".s a {color: red}\n.s b {color: blue}",
        );
    }

    #[test]
    fn an_address_is_that_of_an_element_of_the_fragment() {
        let value = |value| value_of("clip-path", value, &Scope::called("s"));
        assert_eq!(value("url(#p1)"), Some("url(#s-p1)".into()));
        assert_eq!(value("url( '#p1' )"), Some("url(#s-p1)".into()));
        assert_eq!(value("url(#p1) url(h)"), None);
        assert_eq!(value("url(x#p1)"), None);
    }

    #[test]
    fn the_bars_of_a_styled_table_stay() {
        let bar =
            "width: 10em; background: linear-gradient(90deg, #d65f5f 50.0%, transparent 50.0%)";
        assert_eq!(declarations(bar, &Scope::called("s")), bar);
    }
}
