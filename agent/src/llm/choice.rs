//! A choice among whole texts, made token by token.

use std::collections::BTreeMap;

/// The token sequences of several candidates, as a tree.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    ends: bool,
    /// Of the best candidate that begins like this.
    bonus: f32,
    next: BTreeMap<u32, Choice>,
}

impl Choice {
    /// The tree of `candidates` with their bonuses; empty ones are left out.
    pub(crate) fn new(candidates: impl IntoIterator<Item = (Vec<u32>, f32)>) -> Self {
        let mut root = Self::default();
        for (tokens, bonus) in candidates.into_iter().filter(|(tokens, _)| !tokens.is_empty()) {
            let mut node = &mut root;
            for token in tokens {
                let new = || Self { bonus, ..Self::default() };
                node = node.next.entry(token).or_insert_with(new);
                node.bonus = node.bonus.max(bonus);
            }
            node.ends = true;
        }
        root
    }

    /// What can be said of the next token.
    pub(crate) fn branches(&self) -> Branches<'_> {
        let mut tokens = self.next.iter();
        match (tokens.next(), tokens.next()) {
            (None, _) => Branches::None,
            (Some((&token, rest)), None) if !self.ends => Branches::One(token, rest),
            _ if self.ends => Branches::OrEnd,
            _ => Branches::Many,
        }
    }

    /// The tokens that may come next.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = u32> {
        self.next.keys().copied()
    }

    /// The tokens that may come next with the bonus of the best candidate that each leads to.
    pub(crate) fn bonuses(&self) -> impl Iterator<Item = (u32, f32)> {
        self.next.iter().map(|(&token, rest)| (token, rest.bonus))
    }

    /// What may follow `token`, if it may come next.
    pub(crate) fn after(&self, token: u32) -> Option<&Self> {
        self.next.get(&token)
    }
}

/// How a [`Choice`] goes on.
#[derive(Debug)]
pub(crate) enum Branches<'a> {
    /// A candidate is complete and no other begins with it.
    None,
    /// Only this token fits: nothing to compute.
    One(u32, &'a Choice),
    /// One of several tokens.
    Many,
    /// A candidate is complete, but longer ones begin with it: one of their tokens, or the end of the choice.
    OrEnd,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(candidates: &[&[u32]], path: &[u32]) -> String {
        let choice = Choice::new(candidates.iter().map(|tokens| (tokens.to_vec(), 0.0)));
        let mut node = Some(&choice);
        for &token in path {
            node = node.and_then(|node| node.after(token));
        }
        match node.map(Choice::branches) {
            Some(Branches::One(token, _)) => format!("one {token}"),
            Some(Branches::Many) => String::from("many"),
            Some(Branches::OrEnd) => String::from("or end"),
            Some(Branches::None) => String::from("none"),
            None => String::from("outside"),
        }
    }

    #[test]
    fn a_choice_is_made_only_where_candidates_part() {
        let candidates: &[&[u32]] = &[&[1, 2, 3], &[1, 2, 4], &[1, 2, 4, 5], &[]];
        let check =
            |path: &[u32], expected| assert_eq!(walk(candidates, path), expected, "{path:?}");
        check(&[], "one 1");
        check(&[1], "one 2");
        check(&[1, 2], "many");
        check(&[1, 2, 3], "none");
        check(&[1, 2, 4], "or end");
        check(&[1, 2, 4, 5], "none");
        check(&[7], "outside");
        assert_eq!(walk(&[], &[]), "none");
    }

    #[test]
    fn a_token_has_the_bonus_of_the_best_candidate_it_leads_to() {
        let choice =
            Choice::new([(vec![1, 2], 0.5), (vec![1, 3], 4.0), (vec![1], -1.0), (vec![5], -2.0)]);
        let bonuses = |choice: &Choice| choice.bonuses().collect::<Vec<_>>();
        assert_eq!(bonuses(&choice), [(1, 4.0), (5, -2.0)]);
        assert_eq!(choice.after(1).map(bonuses), Some(vec![(2, 0.5), (3, 4.0)]));
    }
}
