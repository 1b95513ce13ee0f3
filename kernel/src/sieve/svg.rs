//! Drawings of a step: SVG written anew from an allow-list of shapes, texts, gradients and pictures. Pure.
//!
//! A front end may draw it as a picture, where no script runs, or put it into the page as it is. What is written here
//! is harmless as XML and as HTML: no script, no animation, no foreign element, no address but that of an element of
//! the drawing itself or of a picture that is in it. Ids are names of the drawing's own.

use std::collections::HashSet;
use std::fmt::Write as _;

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::{NsReader, XmlVersion};

use super::css;
use super::image::is_image_url;
use super::scope::Scope;

const SVG: &str = "http://www.w3.org/2000/svg";
const XLINK: &str = "http://www.w3.org/1999/xlink";

const ELEMENTS: [&str; 22] = [
    "circle",
    "clipPath",
    "defs",
    "ellipse",
    "g",
    "image",
    "line",
    "linearGradient",
    "marker",
    "mask",
    "path",
    "pattern",
    "polygon",
    "polyline",
    "radialGradient",
    "rect",
    "stop",
    "style",
    "svg",
    "symbol",
    "text",
    "tspan",
];

/// Beside [`ELEMENTS`]: it draws another element again.
const USE: &str = "use";

/// Elements that are drawn many times: what is in them may name no other, or a few lines would draw for hours.
const TEMPLATES: [&str; 5] = ["clipPath", "marker", "mask", "pattern", "symbol"];

const ATTRIBUTES: [&str; 44] = [
    "clipPathUnits",
    "cx",
    "cy",
    "d",
    "dx",
    "dy",
    "fx",
    "fy",
    "gradientTransform",
    "gradientUnits",
    "height",
    "lengthAdjust",
    "markerHeight",
    "markerUnits",
    "markerWidth",
    "maskContentUnits",
    "maskUnits",
    "offset",
    "orient",
    "pathLength",
    "patternContentUnits",
    "patternTransform",
    "patternUnits",
    "points",
    "preserveAspectRatio",
    "r",
    "refX",
    "refY",
    "rotate",
    "rx",
    "ry",
    "spreadMethod",
    "textLength",
    "transform",
    "version",
    "viewBox",
    "visibility",
    "width",
    "x",
    "x1",
    "x2",
    "y",
    "y1",
    "y2",
];

/// How deep elements may lie in one another.
const MAX_DEPTH: usize = 64;

/// A part of the drawing that may stay.
#[derive(Debug)]
enum Part {
    Open(Element),
    Close,
    Text(String),
}

#[derive(Debug)]
struct Element {
    name: &'static str,
    id: Option<String>,
    /// The id of what it draws again.
    uses: Option<String>,
    /// As they are written, but for `uses`.
    attributes: Vec<(String, String)>,
}

/// Makes `source` harmless; nothing, when it is no well-formed drawing.
pub(super) fn clean(source: &str) -> Option<String> {
    let scope = Scope::of(source);
    let parts = parts(source, &scope)?;
    let endless = endless(&parts);
    let mut made = String::with_capacity(source.len());
    let mut open = Vec::new();
    for part in &parts {
        match part {
            Part::Open(element) => {
                let root = open.is_empty().then(|| scope.name());
                open.push(element.name);
                let is_template = open.iter().any(|name| TEMPLATES.contains(name));
                let target = element.uses.as_deref();
                let target = target.filter(|target| !is_template && !endless.contains(target));
                write_element(&mut made, element, root, target, is_template);
            }
            Part::Close => write!(made, "</{}>", open.pop()?).ok()?,
            Part::Text(text) if open.last() == Some(&"style") => {
                made.push_str(&css::sheet(text, &scope));
            }
            Part::Text(text) => made.push_str(&escaped(text)),
        }
    }
    Some(made)
}

/// An element that is open.
enum Open {
    Kept(&'static str),
    /// What is in it stays.
    Bare,
    Gone,
}

/// What may stay, in order.
fn parts(source: &str, scope: &Scope) -> Option<Vec<Part>> {
    let mut reader = NsReader::from_str(source);
    reader.config_mut().expand_empty_elements = true;
    let mut parts = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    loop {
        let is_gone = open.iter().any(|open| matches!(open, Open::Gone));
        match reader.read_event().ok()? {
            Event::Start(start) => {
                if open.len() >= MAX_DEPTH || (open.is_empty() && !parts.is_empty()) {
                    return None;
                }
                if is_gone || matches!(open.last(), Some(Open::Kept("style"))) {
                    open.push(Open::Gone);
                    continue;
                }
                let (kind, element) = element(&reader, &start, scope);
                if open.is_empty() && !matches!(kind, Open::Kept("svg")) {
                    return None;
                }
                open.push(kind);
                parts.extend(element.map(Part::Open));
            }
            Event::End(_) => {
                if let Open::Kept(_) = open.pop()? {
                    parts.push(Part::Close);
                }
            }
            Event::Eof => return None,
            _ if is_gone || open.is_empty() => {}
            Event::Text(text) => push_text(&mut parts, &text.xml10_content()),
            Event::CData(text) => push_text(&mut parts, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                // Names that the file itself defines mean nothing here.
                let name = format!("&{};", reference.xml10_content());
                push_text(&mut parts, &quick_xml::escape::unescape(&name).ok()?);
            }
            _ => {}
        }
        if open.is_empty() && matches!(parts.last(), Some(Part::Close)) {
            // What follows the drawing is not looked at.
            return Some(parts);
        }
    }
}

/// Text that is split by references is one text.
fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        Some(Part::Text(before)) => before.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

fn element(
    reader: &NsReader<&[u8]>,
    start: &BytesStart<'_>,
    scope: &Scope,
) -> (Open, Option<Element>) {
    let (space, local) = reader.resolver().resolve_element(start.name());
    let is_svg = match space {
        ResolveResult::Bound(space) => space.as_ref() == SVG,
        // A page adds the name space where the root has none.
        ResolveResult::Unbound => true,
        ResolveResult::Unknown(_) => false,
    };
    if is_svg && local.as_ref() == "a" {
        return (Open::Bare, None);
    }
    let known = ELEMENTS.iter().chain(&[USE]).find(|name| **name == local.as_ref());
    let Some(&name) = known.filter(|_| is_svg) else { return (Open::Gone, None) };
    let mut element = Element { name, id: None, uses: None, attributes: Vec::new() };
    for attribute in start.attributes() {
        let Ok(attribute) = attribute else { return (Open::Gone, None) };
        let (space, local) = reader.resolver().resolve_attribute(attribute.key);
        let Ok(value) = attribute.normalized_value(XmlVersion::Implicit1_0) else {
            return (Open::Gone, None);
        };
        let local = local.as_ref();
        match space {
            ResolveResult::Unbound => element.take(local, &value, scope),
            ResolveResult::Bound(space) if space.as_ref() == XLINK && local == "href" => {
                element.take_href(&value, scope);
            }
            ResolveResult::Bound(_) | ResolveResult::Unknown(_) => {}
        }
    }
    (Open::Kept(name), Some(element))
}

impl Element {
    fn take(&mut self, name: &str, value: &str, scope: &Scope) {
        let value = value.trim();
        match name {
            "id" => self.id = scope.named(value),
            "href" => self.take_href(value, scope),
            "class" => self.add("class", scope.classes(value)),
            "style" => self.add("style", css::declarations(value, scope)),
            _ if ATTRIBUTES.contains(&name) => {
                let is_plain = |c: char| c.is_ascii_alphanumeric() || " \t\r\n.,+-%()#".contains(c);
                if value.chars().all(is_plain) && !value.to_ascii_lowercase().contains("url") {
                    self.add(name, value.to_owned());
                }
            }
            _ => {
                let value = css::value_of(name, value, scope);
                self.add(name, value.unwrap_or_default());
            }
        }
    }

    /// Adds an attribute that was not there; an XML reader takes no two of a name.
    fn add(&mut self, name: &str, value: String) {
        if !value.is_empty() && self.attributes.iter().all(|(known, _)| known != name) {
            self.attributes.push((name.to_owned(), value));
        }
    }

    fn take_href(&mut self, value: &str, scope: &Scope) {
        let value = value.trim();
        let target = value.strip_prefix('#').and_then(|id| scope.named(id));
        match (self.name, target) {
            ("image", _) if is_image_url(&without_breaks(value)) => {
                self.add("xlink:href", without_breaks(value));
            }
            (USE, Some(target)) => {
                self.uses = Some(target);
            }
            ("linearGradient" | "radialGradient" | "pattern", Some(target)) => {
                self.add("xlink:href", format!("#{target}"));
            }
            _ => {}
        }
    }
}

/// matplotlib breaks the lines of a picture's data.
fn without_breaks(url: &str) -> String {
    url.chars().filter(|c| !c.is_ascii_whitespace()).collect()
}

/// Ids of elements that no `use` may draw: something in them is itself drawn by a name, so that a few lines could draw
/// for hours.
fn endless(parts: &[Part]) -> HashSet<&str> {
    let mut endless = HashSet::new();
    let mut open: Vec<&Element> = Vec::new();
    for part in parts {
        match part {
            Part::Open(element) => {
                open.push(element);
                if element.uses.is_some() {
                    endless.extend(open.iter().filter_map(|element| element.id.as_deref()));
                }
            }
            Part::Close => drop(open.pop()),
            Part::Text(_) => {}
        }
    }
    endless
}

fn write_element(
    made: &mut String,
    element: &Element,
    root: Option<&str>,
    target: Option<&str>,
    is_template: bool,
) {
    made.push('<');
    made.push_str(element.name);
    let mut write = |name: &str, value: &str| {
        let _ = write!(made, " {name}=\"{}\"", escaped(value));
    };
    if let Some(scope) = root {
        write("xmlns", "http://www.w3.org/2000/svg");
        write("xmlns:xlink", "http://www.w3.org/1999/xlink");
        write("class", scope);
    }
    if let Some(id) = &element.id {
        write("id", id);
    }
    if let Some(target) = target {
        write("xlink:href", &format!("#{target}"));
    }
    let stays = |name: &str, value: &str| {
        !(root.is_some() && name == "class" || is_template && value.contains("url("))
    };
    for (name, value) in element.attributes.iter().filter(|(name, value)| stays(name, value)) {
        write(name, value);
    }
    made.push('>');
}

fn escaped(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => made.push_str("&amp;"),
            '<' => made.push_str("&lt;"),
            '>' => made.push_str("&gt;"),
            '"' => made.push_str("&quot;"),
            '\n' | '\t' => made.push(c),
            c if c.is_control() => {}
            c => made.push(c),
        }
    }
    made
}
