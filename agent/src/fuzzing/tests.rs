//! The properties over the corpus of the fuzz targets, and over seeded mutations of what models write.

use std::path::Path;

use super::*;

const SEEDS: [&str; 4] = [
    "<step>\n<thought>Look.</thought>\n<action>python_executor</action>\n<action_input>\nprint(\"a\")\n</action_input>\n</step>",
    "<stop_analysis>\n<thought>Found `x`.</thought>\n<answer>It is **2**.</answer>\n</stop_analysis>",
    "<think>Well.</think>\n<answer>So.</answer>",
    "<step><action_input>```python\nx = '''\n```\n'''  # \"\n```\n</action_input>\n<observation>\n1\n</observation>",
];

const PIECES: [&str; 24] = [
    "<step>",
    "</step>",
    "<thought>",
    "</thought>",
    "<action>",
    "</action>",
    "<action_input>",
    "</action_input>",
    "<observation>",
    "</observation>",
    "<stop_analysis>",
    "</stop_analysis>",
    "<answer>",
    "</answer>",
    "<think>",
    "</think>",
    "`",
    "```",
    "\n",
    "\"",
    "'''",
    "<",
    "数",
    " ",
];

/// `SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>: the same mutations on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap() % bound
    }

    /// Puts in, takes out or doubles a piece of `text`.
    fn mutate(&mut self, text: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(6) {
            let at = self.below(characters.len() + 1);
            match self.below(3) {
                0 => {
                    let piece = PIECES[self.below(PIECES.len())];
                    characters.splice(at..at, piece.chars());
                }
                1 => {
                    let end = characters.len().min(at + self.below(12));
                    characters.drain(at..end);
                }
                _ => {
                    let end = characters.len().min(at + self.below(30));
                    let copied = characters[at..end].to_vec();
                    characters.splice(at..at, copied);
                }
            }
        }
        characters.into_iter().collect()
    }
}

#[test]
fn any_text_is_read_the_same_in_pieces_and_never_panics() {
    let mut random = Random(1);
    for round in 0..20_000 {
        completion(random.mutate(SEEDS[round % SEEDS.len()]).as_bytes());
    }
}

#[test]
fn what_a_fuzzer_found_once_stays_mended() {
    for (name, target) in TARGETS {
        let folder = Path::new("../tests/fuzz/corpus").join(name);
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has seeds");
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            let held = std::panic::catch_unwind(|| target(&bytes));
            assert!(held.is_ok(), "{} breaks a promise", file.display());
        }
    }
}
