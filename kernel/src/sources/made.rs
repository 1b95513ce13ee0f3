//! Files that an answer made or changed beside the notebook, data or not, as links.

use std::collections::BTreeMap;
use std::path::Path;

use super::Stamp;

/// In folders with more files none is looked for.
const MAX_FILES: usize = 1_000;

/// How many are linked.
const MAX_LINKS: usize = 20;

/// The files beside a notebook as they stood when a turn began; notebooks, which front ends save, are none of them.
#[derive(Debug, Default)]
pub(crate) struct Snapshot(Option<BTreeMap<String, Stamp>>);

impl Snapshot {
    /// What stands in a folder now.
    pub(crate) fn of(folder: &Path) -> Snapshot {
        let Ok(entries) = std::fs::read_dir(folder) else { return Snapshot(None) };
        let names: Vec<String> = entries
            .take(MAX_FILES + 1)
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        if names.len() > MAX_FILES {
            return Snapshot(None);
        }
        let is_shown =
            |name: &String| !name.starts_with('.') && !super::has_ending(name, &["ipynb"]);
        let is_file = |name: &String| folder.join(name).is_file();
        let stamped = |name: String| Some((name.clone(), Stamp::of(&folder.join(name))?));
        let names = names.into_iter().filter(is_shown).filter(is_file);
        Snapshot(Some(names.filter_map(stamped).collect()))
    }

    /// A line of Markdown with a link to each file that is new or has changed since; none if there is none.
    pub(crate) fn since(&self, folder: &Path) -> Option<String> {
        let (before, now) = (self.0.as_ref()?, Snapshot::of(folder).0?);
        let is_made = |(name, stamp): &(&String, &Stamp)| before.get(*name) != Some(*stamp);
        let made: Vec<_> = now.iter().filter(is_made).map(|(name, _)| link(name)).collect();
        let n_more = made.len().saturating_sub(MAX_LINKS);
        let more = if n_more > 0 { format!(" and {n_more} more") } else { String::new() };
        let links = made.iter().take(MAX_LINKS).cloned().collect::<Vec<_>>().join(", ");
        (!made.is_empty()).then(|| format!("Files made or changed: {links}{more}."))
    }
}

/// A link to a file beside the notebook, whatever its name.
fn link(name: &str) -> String {
    let encoded = |byte: u8| {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if is_plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    let target: String = name.bytes().map(encoded).collect();
    let escaped = |c: char| match c {
        c if c.is_control() => String::from(" "),
        c if c.is_ascii_punctuation() && !"-_.".contains(c) => format!("\\{c}"),
        c => c.to_string(),
    };
    let text: String = name.chars().map(escaped).collect();
    format!("[{text}](./{target})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_or_changed_is_linked_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("kept.csv", "1");
        write("grown.csv", "1");
        let before = Snapshot::of(folder.path());
        assert_eq!(before.since(folder.path()), None);
        write("grown.csv", "22");
        write("a [b](c).png", "1");
        write("größe.csv", "1");
        write(".hidden.csv", "1");
        write("n.ipynb", "{}");
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        let expected = "Files made or changed: [a \\[b\\]\\(c\\).png](./a%20%5Bb%5D%28c%29.png), \
                        [grown.csv](./grown.csv), [größe.csv](./gr%C3%B6%C3%9Fe.csv).";
        assert_eq!(before.since(folder.path()).as_deref(), Some(expected));
    }

    #[test]
    fn in_a_folder_with_many_files_none_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        for at in 0..=MAX_FILES {
            std::fs::write(folder.path().join(at.to_string()), "").unwrap();
        }
        let before = Snapshot::of(folder.path());
        std::fs::write(folder.path().join("new"), "").unwrap();
        assert_eq!(before.since(folder.path()), None);
    }
}
