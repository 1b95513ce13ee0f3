//! Two hands on one notebook: what a run has made, and what somebody has done to the file meanwhile. Pure.

use serde_json::Value;

/// The cells of `theirs`, in the file, with what the run has made since: `ours`. `known` are the ids of the cells that the
/// file had when it was read or written last.
///
/// Text is theirs, and so is a cell whose source they changed. A cell of code that both have alike is ours: it has run. New
/// cells of ours stand below the cell that stood above them; what either took away is gone.
pub(super) fn merged(theirs: Vec<Value>, ours: Vec<Value>, known: &[String]) -> Vec<Value> {
    let id = |cell: &Value| cell["id"].as_str().unwrap_or_default().to_owned();
    let kept: Vec<String> = ours.iter().map(id).collect();
    let taken_away = |cell: &Value| known.contains(&id(cell)) && !kept.contains(&id(cell));
    let mut cells: Vec<Value> = theirs.into_iter().filter(|cell| !taken_away(cell)).collect();
    let mut below = 0;
    for cell in ours {
        let name = id(&cell);
        match cells.iter().position(|there| id(there) == name) {
            Some(at) => {
                below = at + 1;
                if let Some(there) = cells.get_mut(at)
                    && there["cell_type"] == "code"
                    && there["source"] == cell["source"]
                {
                    *there = cell;
                }
            }
            None if known.contains(&name) => {}
            None => {
                cells.insert(below, cell);
                below += 1;
            }
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Cells in short form: `id=source`, in capitals a cell of code; `!` behind it says that it has run.
    fn cells(short: &str) -> Vec<Value> {
        let cell = |word: &str| {
            let (id, source) = word.split_once('=').unwrap();
            let is_code = id.starts_with(|letter: char| letter.is_uppercase());
            let cell_type = if is_code { "code" } else { "markdown" };
            let count = source.ends_with('!').then_some(1);
            json!({"id": id, "cell_type": cell_type, "source": source.trim_end_matches('!'), "execution_count": count})
        };
        short.split_whitespace().map(cell).collect()
    }

    #[track_caller]
    fn check(theirs: &str, ours: &str, known: &str, expected: &str) {
        let known: Vec<_> = known.split_whitespace().map(str::to_owned).collect();
        assert_eq!(merged(cells(theirs), cells(ours), &known), cells(expected));
    }

    #[test]
    fn an_edited_plan_stays_and_what_was_made_meanwhile_is_added() {
        check("P=q plan=new", "P=q! plan=old S=s! a=x", "P plan", "P=q! plan=new S=s! a=x");
    }

    #[test]
    fn what_somebody_added_stays_where_it_is() {
        check(
            "P=q note=n plan=p N=mine",
            "P=q! plan=p S=s!",
            "P plan",
            "P=q! note=n plan=p S=s! N=mine",
        );
    }

    #[test]
    fn what_either_took_away_is_gone() {
        check("P=q", "P=q! plan=p S=s!", "P plan", "P=q! S=s!");
        check("P=q old=x plan=p", "P=q! plan=p", "P old plan", "P=q! plan=p");
    }

    #[test]
    fn a_cell_that_somebody_changed_is_theirs() {
        check("P=q2 A=b", "P=q! A=b!", "P A", "P=q2 A=b!");
    }
}
