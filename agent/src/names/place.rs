//! What a string stands for, by what stands before it.

/// What a string stands for, by the code or the words before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The file that a reader gets.
    File,
    /// A column.
    Column,
    /// What a column is compared with.
    Value,
    /// An option such as a separator or the name of an aggregate.
    Option,
    /// A file, a column or a value: in an answer.
    Any,
}

/// Keywords and methods whose strings are options, neither columns nor values.
const OPTIONS: [&str; 12] = [
    "sep",
    "delimiter",
    "aggfunc",
    "agg",
    "how",
    "kind",
    "freq",
    "to_period",
    "resample",
    "astype",
    "format",
    "strftime",
];

impl Place {
    /// What a string means that opens right after `code`, or after the words of a thought.
    pub fn after(code: &str) -> Self {
        let code = code.trim_end();
        if code.ends_with("Load") {
            return Self::File;
        }
        if code.ends_with("==") || code.ends_with("!=") {
            return Self::Value;
        }
        let Some(owner) = code.strip_suffix(['(', '=']) else { return Self::Column };
        let name = owner.trim_end().rsplit(|c: char| !c.is_alphanumeric() && c != '_').next();
        match name {
            Some(name) if name.starts_with("read_") => Self::File,
            Some(name) if OPTIONS.contains(&name) => Self::Option,
            _ => Self::Column,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_string_means_follows_from_the_code_before_it() {
        let places = [
            ("df = pd.read_csv(", Place::File),
            ("pd.read_csv(\"a.tsv\", sep=", Place::Option),
            ("df[", Place::Column),
            ("df.groupby(", Place::Column),
            ("df.nlargest(3, ", Place::Column),
            ("df[[\"a\", ", Place::Column),
            ("df.plot.scatter(x=", Place::Column),
            ("df[df[\"a\"] == ", Place::Value),
            ("df.pivot_table(aggfunc=", Place::Option),
            ("Load ", Place::File),
            ("mean of ", Place::Column),
            ("Rows with \"a\" == ", Place::Value),
        ];
        for (code, place) in places {
            assert_eq!(Place::after(code), place, "{code}");
        }
    }
}
