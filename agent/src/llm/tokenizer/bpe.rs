//! Byte-pair merging over lists as GGUF files have them.
//!
//! `tokenizers` has a map from texts and one to texts, of strings that are allocations of their own, and both degrees of
//! trust had their own of each: tens of megabytes for 152,000 tokens. Here each text is kept once.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};

use hashbrown::HashTable;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::BpeTrainer;
use tokenizers::{Model, Token};

/// A vocabulary and its merges.
pub(super) struct Bpe {
    /// The texts of all tokens, one behind the other.
    texts: String,
    /// Where each text ends.
    ends: Vec<u32>,
    /// Ids by their text.
    ids: HashTable<u32>,
    hasher: RandomState,
    /// Two neighbours → when they are merged, the lowest first, and into what.
    merges: HashMap<(u32, u32), (u32, u32)>,
}

impl Bpe {
    /// From texts by their id, and merges, each two texts with a space between, the first to be merged first. Of equal
    /// texts the last one counts.
    ///
    /// # Errors
    /// In words: when a merge is none, or not of tokens, or there is more than ids can count.
    pub(super) fn new(tokens: &[String], merges: &[String]) -> Result<Self, String> {
        let mut bpe = Self {
            texts: String::with_capacity(tokens.iter().map(String::len).sum()),
            ends: Vec::with_capacity(tokens.len()),
            ids: HashTable::with_capacity(tokens.len()),
            hasher: RandomState::new(),
            merges: HashMap::with_capacity(merges.len()),
        };
        let number = |number: usize| {
            u32::try_from(number).map_err(|_| String::from("there are more than ids can count"))
        };
        for (id, token) in tokens.iter().enumerate() {
            bpe.texts.push_str(token);
            bpe.ends.push(number(bpe.texts.len())?);
            bpe.name(token, number(id)?);
        }
        let mut both = String::new();
        for (rank, merge) in merges.iter().enumerate() {
            let (left, right) =
                merge.split_once(' ').ok_or_else(|| format!("`{merge}` is not two tokens"))?;
            both.clear();
            both.extend([left, right]);
            let id = |text: &str| {
                bpe.id(text).ok_or_else(|| format!("`{text}` is no token of its vocabulary"))
            };
            let (pair, whole) = ((id(left)?, id(right)?), id(&both)?);
            bpe.merges.insert(pair, (number(rank)?, whole));
        }
        Ok(bpe)
    }

    /// How many ids there are.
    pub(super) fn n_ids(&self) -> usize {
        self.ends.len()
    }

    fn text(&self, id: u32) -> Option<&str> {
        let id = id as usize;
        let start =
            id.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end);
        self.texts.get(start as usize..*self.ends.get(id)? as usize)
    }

    fn id(&self, text: &str) -> Option<u32> {
        let is_it = |id: &u32| self.text(*id) == Some(text);
        self.ids.find(self.hasher.hash_one(text), is_it).copied()
    }

    fn name(&mut self, text: &str, id: u32) {
        let hash = self.hasher.hash_one(text);
        let mut ids = std::mem::take(&mut self.ids);
        if let Some(same) = ids.find_mut(hash, |id| self.text(*id) == Some(text)) {
            *same = id;
        } else {
            let again = |id: &u32| self.hasher.hash_one(self.text(*id).unwrap_or_default());
            ids.insert_unique(hash, id, again);
        }
        self.ids = ids;
    }

    /// The tokens of a word, as ids and their lengths in bytes. A character that is no token is left out.
    ///
    /// Neighbours are merged in the order of the list, and from left to right where that says nothing. The heap keeps
    /// this short for words of any length: a file may hold one of a megabyte.
    fn merge(&self, word: &str) -> Vec<(u32, usize)> {
        let characters = word.split_inclusive(|_| true);
        let mut parts: Vec<Part> = characters
            .filter_map(|text| Some((self.id(text)?, text.len())))
            .enumerate()
            .map(|(at, (id, length))| Part { id, length, before: at.checked_sub(1), after: at + 1 })
            .collect();
        let mut due = BinaryHeap::new();
        let offer = |parts: &[Part], due: &mut BinaryHeap<_>, left: usize| {
            let (first, second) = (parts.get(left)?, parts.get(parts.get(left)?.after)?);
            let (rank, merged) = self.merges.get(&(first.id, second.id))?;
            due.push(Reverse((*rank, left, *merged)));
            Some(())
        };
        for left in 0..parts.len() {
            offer(&parts, &mut due, left);
        }
        while let Some(Reverse((_, left, merged))) = due.pop() {
            let Some(&Part { id, after, length, before }) = parts.get(left) else { continue };
            let Some(&right) = parts.get(after).filter(|_| length > 0) else { continue };
            // What stood there when it was offered may have been merged since.
            if self.merges.get(&(id, right.id)).is_none_or(|(_, now)| *now != merged) {
                continue;
            }
            if let Some(part) = parts.get_mut(left) {
                *part =
                    Part { id: merged, length: length + right.length, after: right.after, before };
            }
            if let Some(part) = parts.get_mut(after) {
                part.length = 0;
            }
            if let Some(next) = parts.get_mut(right.after) {
                next.before = Some(left);
            }
            if let Some(before) = before {
                offer(&parts, &mut due, before);
            }
            offer(&parts, &mut due, left);
        }
        parts.retain(|part| part.length > 0);
        parts.into_iter().map(|part| (part.id, part.length)).collect()
    }
}

/// A part of a word that is to be merged.
#[derive(Debug, Clone, Copy)]
struct Part {
    id: u32,
    /// In bytes; of one that was merged into another, 0.
    length: usize,
    before: Option<usize>,
    /// Where the next one is; the number of parts behind the last.
    after: usize,
}

impl Model for Bpe {
    type Trainer = TrainerWrapper;

    fn tokenize(&self, word: &str) -> tokenizers::Result<Vec<Token>> {
        let mut start = 0;
        let token = |(id, length)| {
            let offsets = (start, start + length);
            start += length;
            Token::new(id, self.text(id).map(String::from).unwrap_or_default(), offsets)
        };
        Ok(self.merge(word).into_iter().map(token).collect())
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        self.id(token)
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        self.text(id).map(String::from)
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        self.ids.iter().filter_map(|&id| Some((String::from(self.text(id)?), id))).collect()
    }

    fn get_vocab_size(&self) -> usize {
        self.ids.len()
    }

    fn save(&self, _: &Path, _: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        Err("a vocabulary of lists is not saved".into())
    }

    fn get_trainer(&self) -> TrainerWrapper {
        BpeTrainer::default().into()
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_pcg::Pcg64;
    use tokenizers::models::bpe::BPE;

    use super::*;

    const LETTERS: [char; 6] = ['a', 'b', 'c', 'd', 'é', '本'];

    /// Random merges of tokens that random merges made.
    fn lists(random: &mut Pcg64, n_merges: usize) -> (Vec<String>, Vec<String>) {
        let mut tokens: Vec<String> = LETTERS.iter().map(|letter| String::from(*letter)).collect();
        let mut merges = Vec::new();
        while merges.len() < n_merges {
            let mut pick = || tokens[random.random_range(0..tokens.len())].clone();
            let (left, right) = (pick(), pick());
            let merge = format!("{left} {right}");
            if left.len() + right.len() < 20 && !merges.contains(&merge) {
                let both = format!("{left}{right}");
                if !tokens.contains(&both) {
                    tokens.push(both);
                }
                merges.push(merge);
            }
        }
        (tokens, merges)
    }

    #[test]
    fn words_are_merged_as_tokenizers_merges_them() {
        let mut random = Pcg64::seed_from_u64(1);
        for round in 0..30 {
            let (tokens, merges) = lists(&mut random, 5 + round * 4);
            let own = Bpe::new(&tokens, &merges).unwrap();
            let ids = tokens.iter().cloned().zip(0_u32..).collect::<Vec<_>>();
            let split = merges.iter().map(|merge| merge.split_once(' ').unwrap());
            let split = split.map(|(left, right)| (left.into(), right.into())).collect();
            let theirs = BPE::new(ids.into_iter().collect(), split);
            for _ in 0..100 {
                // `z` is no token.
                let letters: Vec<char> = LETTERS.into_iter().chain(['z']).collect();
                let length = random.random_range(0..60);
                let word: String =
                    (0..length).map(|_| letters[random.random_range(0..letters.len())]).collect();
                assert_eq!(own.tokenize(&word).unwrap(), theirs.tokenize(&word).unwrap(), "{word}");
            }
            for (id, token) in (0..).zip(&tokens) {
                assert_eq!(own.token_to_id(token), Some(id));
                assert_eq!(own.id_to_token(id).as_ref(), Some(token));
            }
            assert_eq!(own.get_vocab(), theirs.get_vocab());
            assert_eq!(own.id_to_token(own.n_ids().try_into().unwrap()), None);
        }
    }

    #[test]
    fn lists_that_do_not_fit_are_refused_in_words() {
        let tokens = ["a", "b", "ab"].map(String::from);
        let check = |merge: &str, expected: &str| {
            let refused = Bpe::new(&tokens, &[String::from(merge)]).err().unwrap();
            assert_eq!(refused, expected);
        };
        check("ab", "`ab` is not two tokens");
        check("a c", "`c` is no token of its vocabulary");
        check("b a", "`ba` is no token of its vocabulary");
        assert!(Bpe::new(&tokens, &[String::from("a b")]).is_ok());
    }

    #[test]
    fn of_equal_texts_the_last_counts_and_all_can_be_spelled() {
        let twice = Bpe::new(&["a", "b", "a"].map(String::from), &[]).unwrap();
        assert_eq!(twice.token_to_id("a"), Some(2));
        assert_eq!((twice.id_to_token(0), twice.n_ids()), (Some(String::from("a")), 3));
    }
}
