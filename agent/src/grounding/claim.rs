//! The numbers of an answer that claim something. Pure.

use std::ops::Range;

use super::markup::{Code, code, other_len};
use super::scan::{SCALES, last_line, near, number_len, plain_stated, power_behind, range_len};

/// Claims of one answer that are looked up: a bound on what a model may write.
const MAX_CLAIMS: usize = 2_000;

/// A number that an answer states.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claim<'a> {
    /// Sign and digits.
    pub(super) range: Range<usize>,
    /// What a link or a mark goes around: in a block of code there is no place for one.
    pub(super) place: Option<Range<usize>>,
    /// Its value, a word such as `million` counted in.
    pub(super) value: f64,
    /// What a word such as `million` multiplies it with.
    pub(super) scale: Option<f64>,
    /// What one more in its last digit would add.
    pub(super) unit: f64,
    /// Digits from the first that is not zero to the last.
    pub(super) n_significant: usize,
    /// Zeros at its end, if it is a whole number.
    pub(super) n_zeros: i32,
    /// Whether it has a sign.
    pub(super) is_signed: bool,
    /// Whether it may be a rounded one.
    pub(super) precision: Precision,
    /// `%`, or a word for it.
    pub(super) is_percent: bool,
    /// What it says of itself.
    pub(super) hedge: Hedge,
    /// What is counted or measured: the word after it.
    pub(super) noun: &'a str,
    /// Whether it may be said without having been printed.
    pub(crate) may_be_said: bool,
}

/// Whether a number may be a rounded one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    /// A count, or what looks like one.
    Whole,
    /// It has a fraction or a word of scale.
    Rounded,
}

/// What a number says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hedge {
    /// Nothing.
    None,
    /// That it is not exact: `about`, `over`.
    About,
    /// That something is below it: `p < 0.001`.
    Below,
}

/// Words for `%`.
const PERCENT: [&str; 5] = ["percent", "percentage", "pp", "pct", "prozent"];

/// Words behind which a whole number names something.
const LABELS: &str = "figure fig table section step steps chapter question part phase model cluster class type version \
    python pandas note item appendix page line cell column row stage quarter week top bottom first last \
    next previous past no id rank tier option scenario hypothesis equation q port ports";

/// Months, as they are written in the languages of most answers.
const MONTHS: &str = "jan feb mar apr may jun jul aug sep sept oct nov dec january february march april june july \
    august september october november december januar februar märz mai juni juli oktober dezember \
    janvier février mars avril juin juillet août septembre octobre novembre décembre \
    enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre";

/// Words behind a level of confidence or significance.
const LEVELS: &str = "confidence confident ci cis credible interval intervals level significance konfidenzintervall konfidenzniveau";

/// Words that say that a number is not exact.
const ABOUT: &str = "about around roughly approximately nearly almost over under circa ca some ~ ≈ approx than above \
    below exceeding just least most to";

/// Behind a year these say that it is a count.
const COUNTED: &str = "rows records customers items units people orders cases points observations samples days hours \
    minutes users products employees patients sales transactions entries students visits views \
    households passengers trips votes tokens kg";

/// The claims of an answer, in order.
pub(crate) fn claims(answer: &str) -> Vec<Claim<'_>> {
    let mut claims = Vec::new();
    read(answer, 0..answer.len(), false, &mut claims);
    share_units(answer, &mut claims);
    claims
}

/// Reads the claims of a part of an answer: of its text, or of a block of plain text in it.
fn read<'a>(answer: &'a str, part: Range<usize>, in_block: bool, claims: &mut Vec<Claim<'a>>) {
    let place = |range: Range<usize>| (!in_block).then_some(range);
    let mut at = part.start;
    while claims.len() < MAX_CLAIMS
        && let (Some(before), Some(rest)) = (answer.get(..at), answer.get(at..part.end))
        && !rest.is_empty()
    {
        if let Some((first, second)) = range_len(before, rest) {
            let ranges = [at..at + first, at + first + 1..at + first + 1 + second];
            claims.extend(
                ranges.into_iter().filter_map(|range| claim(answer, range.clone(), place(range))),
            );
            at += first + 1 + second;
        } else if let Some(len) = number_len(before, rest) {
            let range = at..at + len;
            if !(in_block && is_row_number(before, rest, len)) {
                claims.extend(claim(answer, range.clone(), place(range)));
            }
            at += len;
            at += answer.get(at..).and_then(power_behind).map_or(0, |(len, _)| len);
        } else if !in_block && let Some((len, code)) = code(before, rest) {
            let within = |text: Range<usize>| at + text.start..at + text.end;
            match code {
                Code::Span(text) => claims.extend(span(answer, within(text), at..at + len)),
                Code::Plain(text) => read(answer, within(text), true, claims),
                Code::Other => {}
            }
            at += len;
        } else {
            at += other_len(before, rest);
        }
    }
}

/// The claim of a code span, if it is nothing but a number.
fn span(answer: &str, text: Range<usize>, place: Range<usize>) -> Option<Claim<'_>> {
    let inner = answer.get(text.clone())?;
    let len = number_len("", inner)?;
    let is_all = matches!(inner.get(len..), Some("" | "%"));
    claim(answer, text.start..text.start + len, Some(place)).filter(|_| is_all)
}

/// Whether a number of a block begins a line that goes on, as those of pandas' rows do.
fn is_row_number(before: &str, rest: &str, len: usize) -> bool {
    let (number, behind) = rest.split_at_checked(len).unwrap_or_default();
    last_line(before).trim().is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && near(behind).lines().next().is_some_and(|line| !line.trim().is_empty())
}

/// Of a range the first number has the unit of the second: `8 to 10%`, `1.75–13.3 million`.
fn share_units(answer: &str, claims: &mut [Claim<'_>]) {
    for at in 1..claims.len() {
        let Some([first, second]) = claims.get_mut(at - 1..=at) else { continue };
        let between = answer.get(first.range.end..second.range.start).unwrap_or_default();
        let is_range = matches!(between, " to " | "–" | " – " | "-" | " bis ");
        let factor = second.scale.unwrap_or(1.0);
        let (value, unit) = (first.value * factor, first.unit * factor);
        let can_share = !first.is_percent && first.scale.is_none() && value.is_finite();
        if is_range && can_share {
            first.is_percent = second.is_percent;
            first.scale = second.scale;
            (first.value, first.unit) = (value, unit);
            if second.scale.is_some() {
                first.precision = Precision::Rounded;
            }
        }
    }
}

/// The claim of the number at `range`, unless it claims nothing or is beyond what can be reckoned with.
fn claim(answer: &str, range: Range<usize>, place: Option<Range<usize>>) -> Option<Claim<'_>> {
    let (before, digits, after) =
        (answer.get(..range.start)?, answer.get(range.clone())?, answer.get(range.end..)?);
    let plain = plain_stated(digits);
    let written: f64 = plain.parse().ok()?;
    let (mantissa, exponent) = plain.split_once(['e', 'E']).unwrap_or((&plain, "0"));
    let decimals = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let last_digit = exponent.parse::<i32>().ok()?.checked_sub(i32::try_from(decimals).ok()?)?;
    let around = Around::of(before, after);
    let is_whole = decimals == 0 && mantissa == plain;
    if around.names(&plain, written, is_whole) || around.is_convention(written) {
        return None;
    }
    let (is_percent, scale) = (around.is_percent(written, is_whole), around.scale());
    let is_bare = is_whole && scale.is_none() && !is_percent;
    let is_year = is_bare && digits.len() == 4 && (1800.0..=2100.0).contains(&written);
    let is_year = is_year && !around.is_counted() && !around.is_money;
    let is_little = is_percent && around.hedge() == Hedge::About && written <= 1.0;
    let significant = mantissa.trim_start_matches(['-', '0', '.']).replace('.', "");
    let n_zeros = if is_whole { plain.len() - plain.trim_end_matches('0').len() } else { 0 };
    let factor = scale.unwrap_or(1.0);
    let (value, unit) = (written * factor, 10f64.powi(last_digit) * factor);
    if !value.is_finite() || !unit.is_normal() {
        return None;
    }
    Some(Claim {
        range,
        place,
        value,
        scale,
        unit,
        n_significant: significant.len(),
        n_zeros: i32::try_from(n_zeros).ok()?,
        is_signed: digits.starts_with(['-', '−', '+']),
        precision: if is_whole && scale.is_none() { Precision::Whole } else { Precision::Rounded },
        is_percent,
        hedge: around.hedge(),
        noun: around.noun,
        // A unit, a pair, less than one in a hundred.
        may_be_said: is_year || is_little || (is_bare && (1.0..=2.0).contains(&written)),
    })
}

/// Whether a word is one of those that blanks part.
fn is_among(word: &str, words: &str) -> bool {
    words.split(' ').any(|known| known == word)
}

/// What stands around a number.
struct Around<'a> {
    before: &'a str,
    /// The word before, in lower case.
    word: String,
    /// The word after, if there is one.
    noun: &'a str,
    /// The text after, as it stands, and without blanks.
    behind: &'a str,
    after: &'a str,
    is_money: bool,
    is_bound: bool,
}

impl<'a> Around<'a> {
    fn of(before: &'a str, after: &'a str) -> Self {
        let (line, behind) = (last_line(before), near(after));
        let trimmed = line.trim_end_matches([' ', '*', '_', '(', '`', '\u{a0}']);
        let is_money = trimmed.ends_with(['$', '€', '£', '¥', '₹', '=']);
        let is_bound = trimmed.ends_with(['<', '≤']) || trimmed.ends_with("&lt;");
        let bare = trimmed.trim_end_matches(['.', ':', '$', '€', '£', '¥', '₹']).trim_end();
        let word = bare
            .rsplit(|c: char| !(c.is_alphabetic() || matches!(c, '~' | '≈')))
            .next()
            .unwrap_or_default();
        let blanks = ['*', ' ', '`', '\u{a0}', '\u{202f}', '\u{2009}', '-'];
        let after = behind.trim_start_matches(blanks);
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let noun = after.get(..end).unwrap_or_default();
        Self { before: line, word: word.to_lowercase(), noun, behind, after, is_money, is_bound }
    }

    /// Whether the number is one of a date, a list, a figure.
    fn names(&self, digits: &str, value: f64, is_whole: bool) -> bool {
        let is_month = |word: &str| is_among(&word.to_lowercase(), MONTHS);
        let is_day = is_whole && digits.len() <= 2 && (1.0..=31.0).contains(&value);
        let is_label = is_whole && digits.len() <= 3 && !self.after.starts_with('%');
        (is_day && (is_month(&self.word) || is_month(self.noun)) && !matches!(self.noun, "may"))
            || (is_label && is_among(&self.word, LABELS) && !self.before.trim_end().ends_with(':'))
            || (is_day && matches!(self.noun, "am" | "pm" | "AM" | "PM" | "Uhr"))
            || (is_day && ["o'clock", "o’clock"].iter().any(|word| self.after.starts_with(word)))
            || (self.word == "python" || self.word == "version")
    }

    /// A level of confidence or significance: agreed upon, not computed.
    fn is_convention(&self, value: f64) -> bool {
        let cuts = ["threshold", "cutoff", "cut-off"];
        let line = self.before.to_lowercase();
        let led = line.trim_end_matches([' ', '=']).trim_end_matches(" of");
        if (0.0..1.0).contains(&value) && cuts.iter().any(|word| led.ends_with(word)) {
            return true;
        }
        let is_level =
            [0.001, 0.01, 0.05, 0.1, 0.9, 0.95, 0.99, 1.0, 5.0, 10.0, 80.0, 90.0, 95.0, 99.0, 99.9]
                .contains(&value);
        if !is_level {
            return false;
        }
        let between = ['%', ' ', '-', '*', '`', '\u{a0}', '\u{202f}'];
        let rest = self.after.trim_start_matches(between).to_lowercase();
        let rest = rest.strip_prefix("percent").unwrap_or(&rest).trim_start_matches(between);
        let mut words = rest.split(|c: char| !c.is_alphanumeric());
        let is_named = match words.next().unwrap_or_default() {
            "prediction" => words.next().is_some_and(|word| word.starts_with("interval")),
            word => is_among(word, LEVELS) || word.starts_with("置信") || word.starts_with("信頼"),
        };
        let near = line
            .char_indices()
            .rev()
            .nth(18)
            .map_or(&*line, |(at, _)| line.get(at..).unwrap_or_default());
        let before = ["alpha", "α", "significance level"];
        is_named || before.iter().any(|word| near.contains(word))
    }

    fn is_percent(&self, written: f64, is_whole: bool) -> bool {
        let follows = |text: &str| {
            let rest = self.after.get(self.noun.len()..).unwrap_or_default();
            rest.trim_start_matches([' ', '\u{a0}']).starts_with(text)
        };
        self.after.starts_with(['%', '％'])
            || match self.noun.to_lowercase().as_str() {
                "per" => follows("cent"),
                // Of a hundred, if shares are spoken of; others are counted.
                "points" => written.abs() <= 100.0 && (!is_whole || self.before.contains('%')),
                noun => PERCENT.contains(&noun),
            }
    }

    fn scale(&self) -> Option<f64> {
        if let Some((_, exponent)) = power_behind(self.behind) {
            return Some(10f64.powi(exponent));
        }
        let direct = SCALES.iter().find(|(word, _)| *word == self.noun);
        // Scripts without blanks go on: `1.2万人`.
        let first = self.noun.chars().next().unwrap_or(' ');
        let glued = || SCALES.iter().find(|(word, _)| !word.is_ascii() && word.starts_with(first));
        direct.or_else(glued).map(|(_, scale)| *scale)
    }

    fn hedge(&self) -> Hedge {
        let line = self.before.trim_end_matches([' ', '*', '`']);
        if self.is_bound {
            Hedge::Below
        } else if is_among(&self.word, ABOUT) || line.ends_with(['~', '≈']) {
            Hedge::About
        } else {
            Hedge::None
        }
    }

    fn is_counted(&self) -> bool {
        is_among(&self.noun.to_lowercase(), COUNTED)
    }
}
