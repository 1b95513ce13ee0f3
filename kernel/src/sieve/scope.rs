//! Names of a fragment's own: its ids and classes can mean nothing to the page, nor to another fragment. Pure.

use sha2::{Digest as _, Sha256};

/// Classes that say what a table is; they stay as they are, and front ends set the look of the first.
const KNOWN_CLASSES: [&str; 1] = ["dataframe"];

/// The names of one fragment.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    name: String,
}

impl Scope {
    /// Of the fragment with this source: the same for the same source, so that a notebook that is run again stays the
    /// same.
    pub(super) fn of(source: &str) -> Scope {
        let digest: [u8; 32] = Sha256::digest(source.as_bytes()).into();
        let [a, b, c, d, ..] = digest;
        Scope { name: format!("dr-{:08x}", u32::from_be_bytes([a, b, c, d])) }
    }

    #[cfg(test)]
    pub(super) fn called(name: &str) -> Scope {
        Scope { name: name.into() }
    }

    /// The class of the fragment's outermost element.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// An id of the fragment as it stands in the page.
    pub(super) fn named(&self, id: &str) -> Option<String> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fits = !id.is_empty() && id.chars().all(is_name);
        fits.then(|| format!("{}-{id}", self.name))
    }

    /// A class of the fragment as it stands in the page.
    pub(super) fn class(&self, class: &str) -> Option<String> {
        if KNOWN_CLASSES.contains(&class) {
            return Some(class.to_owned());
        }
        self.named(class)
    }

    /// A list of classes.
    pub(super) fn classes(&self, classes: &str) -> String {
        let made: Vec<_> =
            classes.split_whitespace().filter_map(|class| self.class(class)).collect();
        made.join(" ")
    }
}
