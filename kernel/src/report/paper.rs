//! Reports on paper, where nothing can be opened: what is folded stands at the end, and is linked to. Pure.

use super::build::{in_order, link, words};
use super::tree::{Block, Inline, Style, plain};

/// Scripts beyond Latin, Greek and Cyrillic that a font must be found for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    /// In words.
    pub name: &'static str,
    /// BCP 47 tag of the language that is most written in it.
    pub language: &'static str,
    /// Families that have it, the best first.
    pub families: &'static [&'static str],
    /// The package of Debian's and Ubuntu's that brings one of them.
    pub package: &'static str,
    /// Its letters.
    ranges: &'static [(char, char)],
}

/// Kana and Hangul come before Han, which all three languages write.
const SCRIPTS: [Script; 7] = [
    Script {
        name: "Japanese",
        language: "ja",
        families: &[
            "Noto Serif CJK JP",
            "Noto Sans CJK JP",
            "Noto Serif JP",
            "Noto Sans JP",
            "IPAexMincho",
            "Hiragino Mincho ProN",
        ],
        package: "fonts-noto-cjk",
        ranges: &[('\u{3040}', '\u{30ff}')],
    },
    Script {
        name: "Korean",
        language: "ko",
        families: &[
            "Noto Serif CJK KR",
            "Noto Sans CJK KR",
            "Noto Serif KR",
            "Noto Sans KR",
            "NanumMyeongjo",
            "Apple SD Gothic Neo",
        ],
        package: "fonts-noto-cjk",
        ranges: &[('\u{1100}', '\u{11ff}'), ('\u{ac00}', '\u{d7af}')],
    },
    Script {
        name: "Chinese",
        language: "zh",
        families: &[
            "Noto Serif CJK SC",
            "Noto Sans CJK SC",
            "Noto Serif SC",
            "Noto Sans SC",
            "Source Han Serif SC",
            "WenQuanYi Zen Hei",
            "Songti SC",
        ],
        package: "fonts-noto-cjk",
        ranges: &[('\u{3400}', '\u{4dbf}'), ('\u{4e00}', '\u{9fff}')],
    },
    Script {
        name: "Arabic",
        language: "ar",
        families: &[
            "Noto Naskh Arabic",
            "Noto Sans Arabic",
            "Noto Kufi Arabic",
            "Amiri",
            "DejaVu Sans",
            "Geeza Pro",
        ],
        package: "fonts-noto-core",
        ranges: &[('\u{600}', '\u{6ff}'), ('\u{750}', '\u{77f}')],
    },
    Script {
        name: "Hebrew",
        language: "he",
        families: &["Noto Serif Hebrew", "Noto Sans Hebrew", "DejaVu Sans", "Arial Hebrew"],
        package: "fonts-noto-core",
        ranges: &[('\u{590}', '\u{5ff}')],
    },
    Script {
        name: "Devanagari",
        language: "hi",
        families: &[
            "Noto Serif Devanagari",
            "Noto Sans Devanagari",
            "Lohit Devanagari",
            "Kohinoor Devanagari",
        ],
        package: "fonts-noto-core",
        ranges: &[('\u{900}', '\u{97f}')],
    },
    Script {
        name: "Thai",
        language: "th",
        families: &["Noto Serif Thai", "Noto Sans Thai", "Thonburi"],
        package: "fonts-noto-core",
        ranges: &[('\u{e00}', '\u{e7f}')],
    },
];

/// The scripts of a text that need a font of their own. Han beside Kana or Hangul is taken for Japanese or Korean.
pub(super) fn scripts(text: &str) -> Vec<&'static Script> {
    let has = |script: &Script| {
        text.chars()
            .any(|c| script.ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)))
    };
    let mut found: Vec<_> = SCRIPTS.iter().filter(|script| has(script)).collect();
    if found.iter().any(|script| matches!(script.language, "ja" | "ko")) {
        found.retain(|script| script.language != "zh");
    }
    found
}

/// Whether a text is written from right to left: by the first letter that has a direction.
pub(super) fn is_rtl(text: &str) -> bool {
    let first = text.chars().find(|c| c.is_alphabetic());
    first.is_some_and(
        |c| matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'),
    )
}

/// The blocks, with what is folded at their end.
pub(super) fn unfolded(blocks: &[Block]) -> Vec<Block> {
    let mut folded = Folded { n: 0, blocks: Vec::new() };
    let mut made = without_folds(blocks, None, &mut folded);
    if folded.n > 0 {
        let anchor = Some("steps".into());
        let title = words("Appendix: code and what it printed");
        made.push(Block::Heading { level: 2, words: title, anchor });
        made.append(&mut folded.blocks);
    }
    in_order(&mut made, &mut 1);
    made
}

/// What is to stand at the end.
struct Folded {
    /// How many folds there were so far, those inside others too.
    n: usize,
    blocks: Vec<Block>,
}

/// `cell` is the number of the cell that the blocks stand in.
fn without_folds(blocks: &[Block], cell: Option<u64>, folded: &mut Folded) -> Vec<Block> {
    let mut made = Vec::new();
    for block in blocks {
        made.push(match block {
            Block::Fold { summary, blocks } => {
                folded.n += 1;
                let number = folded.n;
                let of_cell = cell.map_or(String::new(), |count| format!(" of cell {count}"));
                let title = format!("A{number}. {}{of_cell}", plain(summary));
                let anchor = format!("fold-{number}");
                // What is folded in it stands behind it.
                let mut inner = Folded { n: number, blocks: Vec::new() };
                let inside = without_folds(blocks, None, &mut inner);
                let heading = words(&title);
                let own = Some(anchor.clone());
                folded.blocks.push(Block::Heading { level: 3, words: heading, anchor: own });
                folded.blocks.extend(inside.into_iter().chain(inner.blocks));
                folded.n = inner.n;
                let link = link(anchor, words(&format!("A{number}")));
                Block::Note(vec![
                    Inline::Text(format!("{}{of_cell}: ", plain(summary))),
                    Inline::Styled(Style::Strong, vec![link]),
                ])
            }
            Block::Cell { anchor, count, blocks } => {
                let blocks = without_folds(blocks, *count, folded);
                Block::Cell { anchor: anchor.clone(), count: *count, blocks }
            }
            Block::Quote(blocks) => Block::Quote(without_folds(blocks, cell, folded)),
            other => other.clone(),
        });
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_the_scripts_that_need_a_font() {
        let names = |text: &str| scripts(text).iter().map(|script| script.name).collect::<Vec<_>>();
        assert!(names("Größe, Ωμέγα, Привет").is_empty());
        assert_eq!(names("平均"), ["Chinese"]);
        assert_eq!(names("平均は"), ["Japanese"]);
        assert_eq!(names("平均 평균"), ["Korean"]);
        assert_eq!(names("平均 المتوسط"), ["Chinese", "Arabic"]);
        assert!(is_rtl("12 المتوسط mean") && !is_rtl("mean المتوسط"));
    }

    #[test]
    fn what_is_folded_stands_at_the_end_and_is_linked_to() {
        let fold =
            Block::Fold { summary: words("Python"), blocks: vec![Block::Printed("1".into())] };
        let made = unfolded(&[
            Block::Cell { anchor: "cell-a".into(), count: Some(3), blocks: vec![fold] },
            Block::Rule,
        ]);
        let [
            Block::Cell { blocks, .. },
            Block::Rule,
            Block::Heading { .. },
            Block::Heading { words, anchor, .. },
            Block::Printed(_),
        ] = &made[..]
        else {
            panic!("{made:?}")
        };
        assert_eq!(
            (plain(words).as_str(), anchor.as_deref()),
            ("A1. Python of cell 3", Some("fold-1"))
        );
        assert!(matches!(&blocks[..], [Block::Note(_)]));
    }

    #[test]
    fn what_is_folded_in_a_fold_stands_behind_it() {
        let fold = |blocks| Block::Fold { summary: words("More"), blocks };
        let printed = |text: &str| Block::Printed(text.into());
        let made = unfolded(&[
            fold(vec![fold(vec![printed("1")]), Block::Rule]),
            fold(vec![printed("2")]),
        ]);
        let [
            Block::Note(_),
            Block::Note(_),
            Block::Heading { .. },
            Block::Heading { anchor: first, .. },
            Block::Note(to_inner),
            Block::Rule,
            Block::Heading { anchor: inner, .. },
            Block::Printed(_),
            Block::Heading { anchor: second, .. },
            Block::Printed(_),
        ] = &made[..]
        else {
            panic!("{made:?}")
        };
        let anchors = [first, inner, second].map(|anchor| anchor.as_deref().unwrap());
        assert_eq!(anchors, ["fold-1", "fold-2", "fold-3"]);
        assert_eq!(plain(to_inner), "More: A2");
    }
}
