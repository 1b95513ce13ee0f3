//! Pure: the question sets that are known, where they are published, and under which terms.

use clap::ValueEnum;
use serde::Serialize;

/// A question set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// InfiAgent-DABench: 257 closed questions about tables
    Dabench,
    /// DABStep: questions of several steps about payments
    Dabstep,
    /// DS-1000: code for questions about seven libraries
    Ds1000,
    /// `DSEval`: problems in sessions, graded by the variables that they leave
    Dseval,
    /// WikiTableQuestions: questions about tables of Wikipedia
    Wikitq,
    /// A folder of your own with questions in `questions.jsonl`
    Questions,
}

/// What is known of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// As it is called.
    pub title: &'static str,
    /// Where it is published.
    pub published: &'static str,
    /// Under which terms its data are.
    pub licence: &'static str,
    /// What `--data` is to name.
    pub data: &'static str,
    /// The split that is meant where none is named; none where there is one alone.
    pub split: Option<&'static str>,
    /// Files as they were published: path from `--data`, and SHA-256.
    pub hashes: &'static [(&'static str, &'static str)],
    /// Number of questions of splits.
    pub counts: &'static [(&'static str, usize)],
}

impl Suite {
    /// The name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What is known of it.
    pub fn facts(self) -> Facts {
        match self {
            Self::Dabench => DABENCH,
            Self::Dabstep => DABSTEP,
            Self::Ds1000 => DS1000,
            Self::Dseval => DSEVAL,
            Self::Wikitq => WIKITQ,
            Self::Questions => QUESTIONS,
        }
    }
}

const DABENCH: Facts = Facts {
    title: "InfiAgent-DABench",
    published: "the repository InfiAgent/InfiAgent on GitHub, folder examples/DA-Agent/data",
    licence: "CC BY-NC 4.0 (data), Apache-2.0 (code)",
    data: "the folder with da-dev-questions.jsonl, da-dev-labels.jsonl and da-dev-tables/",
    split: None,
    hashes: &[
        (
            "da-dev-questions.jsonl",
            "49ae783b20ecb60449ce1443c524e89f8ca8353a04e05e4d14a055b7a6f06126",
        ),
        ("da-dev-labels.jsonl", "83b8fb8133c1794fcb6b42435e9cce124d22f68b71e2eedb37c973e40b5a18c2"),
    ],
    counts: &[("", 257)],
};

const DABSTEP: Facts = Facts {
    title: "DABStep",
    published: "the data set adyen/DABstep on the hub of Hugging Face, folder data",
    licence: "CC BY 4.0",
    data: "the folder with tasks/ and context/",
    split: Some("dev"),
    hashes: &[],
    counts: &[("dev", 10), ("all", 450)],
};

const DS1000: Facts = Facts {
    title: "DS-1000",
    published: "the repository xlang-ai/DS-1000 on GitHub, data/ds1000.jsonl.gz, unpacked",
    licence: "CC BY-SA 4.0",
    data: "ds1000.jsonl, or the folder with it",
    split: None,
    hashes: &[],
    counts: &[("", 1000)],
};

const DSEVAL: Facts = Facts {
    title: "DSEval",
    published: "the repository MetaCopilot/dseval on GitHub, folder benchmarks",
    licence: "MIT",
    data: "the folder with exercise/, so/, leetcode/ and kaggle/, each with _inputs/ where it has data",
    split: Some("kaggle"),
    hashes: &[
        ("exercise/*.py", "d98739827385e4b8a9d563981e45c2da4c58c3863a7cc4adf96006c6cc4f5e8b"),
        ("so/*.py", "d966417bc1cc6a4f7ada59faef53d73ccb534856ef40b4469882b18ca03b08d7"),
        ("leetcode/*.py", "63188516b922ce5f3b2247883d94b770a0b5106bbd90beafb2fa38c45bfebd2b"),
        ("kaggle/*.py", "99b3fcbe3a3460bd1af1dee917b8622990dc4c6288d31c0fa598b35d19ca4e2a"),
    ],
    counts: &[
        ("exercise", 187),
        ("so", 202),
        ("leetcode", 40),
        ("kaggle", 396),
        ("exercise-propagated", 187),
        ("so-propagated", 202),
        ("leetcode-propagated", 40),
        ("kaggle-propagated", 396),
    ],
};

const WIKITQ: Facts = Facts {
    title: "WikiTableQuestions",
    published: "the repository ppasupat/WikiTableQuestions on GitHub",
    licence: "CC BY-SA 4.0",
    data: "the folder with data/ and csv/",
    split: Some("pristine-unseen-tables"),
    hashes: &[
        (
            "data/pristine-unseen-tables.tsv",
            "df232f69e78e5b7b61b9aa62efcaa01c75697a7411fd80348cf55107ad9fbdcd",
        ),
        (
            "data/random-split-1-dev.tsv",
            "5e7466e7f4bcf0fa704b839c2bde464b2f33bdc095333b1aaa2bb44458dbf98b",
        ),
        ("data/training.tsv", "38ed908ab897d1df37852d2c96a2c6c9e0a0c4fa9306cbef912965ef7670b9d0"),
    ],
    counts: &[("pristine-unseen-tables", 4344), ("random-split-1-dev", 2831), ("training", 14152)],
};

const QUESTIONS: Facts = Facts {
    title: "own questions",
    published: "a folder of your own",
    licence: "yours",
    data: "the folder with questions.jsonl and the files that it names",
    split: None,
    hashes: &[],
    counts: &[],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_says_where_it_is_from_and_under_which_terms() {
        for suite in Suite::value_variants() {
            let facts = suite.facts();
            for said in [facts.title, facts.published, facts.licence, facts.data] {
                assert!(!said.is_empty(), "{suite:?}");
            }
            assert!(facts.hashes.iter().all(|(_, sha)| sha.len() == 64), "{suite:?}");
            let known = |split: &str| facts.counts.iter().any(|(known, _)| *known == split);
            assert!(facts.split.is_none_or(known), "{suite:?}");
        }
    }
}
