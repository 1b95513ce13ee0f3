//! How good a model is, in numbers: question sets that others have published, and folders of one's own, asked through
//! the real kernel as `ask` does it.
//!
//! A set ([`suite`]) is read from the user's copy ([`read`]) into sessions of questions; each session is a kernel of its
//! own in a folder of its own, several at a time ([`work`]); an answer is graded by the rule that the set was published
//! with ([`score`], a check that Python runs, or what a [`reference`] does there). What came of a question is one line of a file ([`results`]), so that a
//! run that is killed goes on where it was; [`summary`] counts, [`compare`] says whether two runs differ.
//!
//! No data of a set is part of this program.

pub mod compare;
pub mod read;
pub mod reference;
pub mod results;
pub mod score;
pub mod suite;
pub mod summary;
pub mod work;

use std::path::PathBuf;

use reference::Reference;
use score::denotation::Target;

/// Questions that share a kernel, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Of its questions, or its own.
    pub id: String,
    /// Files of the user's copy that its folder gets, with their names there.
    pub files: Vec<(PathBuf, String)>,
    /// Its questions.
    pub questions: Vec<Question>,
}

/// A question, and what is a right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// As the set names it.
    pub id: String,
    /// What is asked, with what the answer is to look like.
    pub text: String,
    /// As the set tells how hard it is, or what it is about.
    pub level: String,
    /// Python that runs before it, as cells of the notebook.
    pub setup: Vec<String>,
    /// How its answer is graded.
    pub rule: Rule,
}

/// How an answer is graded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// `@name[value]` for each of these.
    Named(Vec<(String, String)>),
    /// A number, words, or a list of these, with forms forgiven.
    Quasi(String),
    /// Items.
    Denotation(Vec<Target>),
    /// Code, which these tests call in a Python of its own; they fail by an exception.
    Program(String),
    /// Python that runs behind the answer, in the kernel of the session, with `answer` as text; its last line says
    /// whether it is right.
    Check(String),
    /// What the turn does to the namespace, compared with what this does.
    Reference(Reference),
    /// Nobody but the publisher knows.
    Hidden,
}
