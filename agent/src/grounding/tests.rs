use super::{Origin, ground, missing};

/// What is found: `{…}` is printed, `{{…}}` made of what is printed, `<…>` nowhere; the rest claims nothing, or need not.
fn shown(answer: &str, outputs: &[&str]) -> String {
    let (mut text, mut done) = (String::new(), 0);
    for number in ground(answer, outputs, &[]) {
        let (open, close) = match number.origin {
            Origin::Printed(_) => ("{", "}"),
            Origin::Derived(_) => ("{{", "}}"),
            Origin::Nowhere => ("<", ">"),
            Origin::Given | Origin::Said => ("", ""),
        };
        text.push_str(answer.get(done..number.range.start).unwrap());
        text.push_str(open);
        text.push_str(answer.get(number.range.clone()).unwrap());
        text.push_str(close);
        done = number.range.end;
    }
    text + answer.get(done..).unwrap()
}

#[track_caller]
fn check(printed: &str, cases: &[(&str, &str)]) {
    let found: Vec<_> = cases.iter().map(|(answer, _)| shown(answer, &[printed])).collect();
    let wanted: Vec<_> = cases.iter().map(|(_, wanted)| (*wanted).to_owned()).collect();
    assert_eq!(found, wanted);
}

#[test]
fn a_decimal_comma_is_read_in_answers_and_separates_numbers_in_outputs() {
    check(
        "3.14159 0.00138 1234567.891",
        &[
            ("Der Mittelwert ist 3,14.", "Der Mittelwert ist {3,14}."),
            ("Es sind 3,1416 und 9,7", "Es sind {3,1416} und <9,7>"),
            ("p = 0,0014, also p < 0,01", "p = {0,0014}, also p < {0,01}"),
            ("p = 0,001", "p = {0,001}"),
            ("Summe: 1.234.567,89 €", "Summe: {1.234.567,89} €"),
            ("1,234,567.9 in all", "{1,234,567.9} in all"),
            ("54,321 rows", "<54,321> rows"),
        ],
    );
    let lists = [
        ("Groups 3,14,15", "Groups {3},{14},{15}"),
        ("F(3,14) = 15", "F({3},{14}) = {15}"),
        ("the pair [3,14]", "the pair [{3},{14}]"),
    ];
    check("x 3,14\n15", &lists);
}

#[test]
fn a_code_span_that_is_a_number_claims_it() {
    check(
        "2.75 0.4534",
        &[
            ("It is `2.75` or `3.75`.", "It is `{2.75}` or `<3.75>`."),
            ("That is `45.3%` or `45.3` %", "That is `{45.3}%` or `{45.3}` %"),
            ("`x = 3.75` and `v3.7` and `a 3.75`", "`x = 3.75` and `v3.7` and `a 3.75`"),
        ],
    );
    let number = ground("It is `3.75`.", &[], &[]);
    assert_eq!(number.first().and_then(|number| number.place.clone()), Some(6..12));
    assert_eq!(missing("It is `3.75`.", &[], &[]), ["3.75"]);
}

#[test]
fn numbers_of_a_block_of_plain_text_are_looked_up_and_have_no_place_for_a_mark() {
    let block = |language: &str| {
        format!("So:\n\n```{language}\nhour  hires\n0     1204\n8     9999\n```\n\nAnd 17.")
    };
    for language in ["", "text", "txt"] {
        let answer = block(language);
        assert_eq!(missing(&answer, &["0 1204"], &[]), ["9999", "17"], "{language}");
        let places: Vec<_> = ground(&answer, &["0 1204"], &[]);
        let places: Vec<_> = places.iter().map(|number| number.place.is_some()).collect();
        assert_eq!(places, [false, false, true]);
    }
    for language in ["python", "json", "text-x"] {
        assert_eq!(missing(&block(language), &[], &[]), ["17"], "{language}");
    }
    assert_eq!(missing("```\n12.5", &[], &[]), ["12.5"]);
}

#[test]
fn a_back_tick_that_is_never_closed_hides_nothing_behind_its_paragraph() {
    check(
        "",
        &[
            ("A ` here is 12.5.", "A ` here is <12.5>."),
            ("A `x 3.5\n\nis 12.5`.", "A `x <3.5>\n\nis <12.5>`."),
            ("A `` here ` is 12.5 ` or 7.5", "A `` here ` is 12.5 ` or <7.5>"),
            ("A ``x ` 3.5`` is 12.5", "A ``x ` 3.5`` is <12.5>"),
            ("A ``` here is 12.5.", "A ``` here is <12.5>."),
        ],
    );
}

#[test]
fn brackets_quotes_and_addresses_hide_what_is_theirs_alone() {
    let long = format!("\"{} 12.5\" is", "word ".repeat(14));
    let wanted = long.replace("12.5", "<12.5>");
    check(
        "",
        &[
            ("[95% CI 1.2 to 3.4], see [t 5.5](x)", "[95% CI <1.2> to <3.4>], see [t 5.5](x)"),
            ("[see 1.5 [2.5](x)]", "[see <1.5> [2.5](x)]"),
            ("see https://x.org/a/12.5?b=3.5 or 4.5", "see https://x.org/a/12.5?b=3.5 or <4.5>"),
            ("(http://x.org/=12.5) <https://x.org/ 1>", "(http://x.org/=12.5) <https://x.org/ 1>"),
            ("the \"Area 51\" has 12.5", "the \"Area 51\" has <12.5>"),
            (&long, &wanted),
        ],
    );
}

#[test]
fn dates_and_levels_are_told_by_whole_words() {
    check(
        "",
        &[
            (
                "12 markets, 20 decimals, 24 marriages",
                "<12> markets, <20> decimals, <24> marriages",
            ),
            ("12 March, 20 dec, Sept 24", "12 March, 20 dec, Sept 24"),
            ("am 12 Januar, le 20 décembre", "am 12 Januar, le 20 décembre"),
            ("10 cities, 90 citations", "<10> cities, <90> citations"),
            ("10 levels, 80 predictions", "<10> levels, <80> predictions"),
            ("95% CI, 95% CIs, 90-percent confidence", "95% CI, 95% CIs, 90-percent confidence"),
            ("5% level, 80% prediction interval", "5% level, 80% prediction interval"),
            ("95 % confidence, **95%** confidence", "95 % confidence, **95%** confidence"),
            ("95% confident, 95 %-Konfidenzintervall", "95% confident, 95 %-Konfidenzintervall"),
            ("95%置信区间", "95%置信区间"),
        ],
    );
}

#[test]
fn a_share_is_told_by_whole_words() {
    check(
        "0.124 5 0.2",
        &[
            ("12.4 per store", "<12.4> per store"),
            ("12.4 per cent, 12.4 percent", "{12.4} per cent, {12.4} percent"),
            ("12.4 points", "{12.4} points"),
            ("500 points, 20 points", "<500> points, <20> points"),
            ("down 12.4%, or 20 points", "down {12.4}%, or {20} points"),
        ],
    );
}

#[test]
fn a_number_that_is_too_large_or_too_small_claims_nothing() {
    for answer in ["1e400", "1.5e-2147483648", "1e-400", "1.5e2147483648", "1e99999999999"] {
        assert_eq!(shown(answer, &["1e400 0"]), answer);
    }
    check(
        "1e400",
        &[(
            "1e300 or 2 million, 1e308 to 2 million",
            "<1e300> or <2> million, <1e308> to <2> million",
        )],
    );
}

#[test]
fn numbers_of_a_range_and_behind_a_colon_are_read_where_they_can_be_nothing_else() {
    check(
        "of 0.10 0.20 5.2 1500000",
        &[
            ("10-20% of all", "{10}-{20}% of all"),
            ("about 1.5-2.5 million", "about {1.5}-<2.5> million"),
            ("5.2-7.3 m", "{5.2}-<7.3> m"),
            ("mean:5.2, n:17, r²:0.9", "mean:{5.2}, n:<17>, r²:<0.9>"),
            ("2024-01, 12-17, 555-1234, 10-20-30%", "2024-01, 12-17, 555-1234, 10-20-30%"),
            ("at 12:30, 3:1, A-104", "at 12:30, 3:1, A-104"),
        ],
    );
}

#[test]
fn a_power_of_ten_may_be_written_with_a_star() {
    check(
        "5000 7e-12",
        &[
            ("5*10^3 and 6*10^3", "{5}*10^3 and <6>*10^3"),
            ("**5** × 10³, **7** × 10^-12", "**{5}** × 10³, **{7}** × 10^-12"),
        ],
    );
}

#[test]
fn lines_that_hold_numbers_are_counted_whatever_they_begin_with() {
    let printed = "North 101\nLondon 202\ndelta 303\nName: a7, Length: 9, dtype: 8";
    check(printed, &[("the 3 regions", "the {{3}} regions"), ("the 4 regions", "the <4> regions")]);
    check("a 1\nb 2.5\nName: x, dtype: float64\n", &[("5 kinds", "<5> kinds")]);
}

/// What took the square of its length would take minutes.
#[test]
fn foreign_text_is_read_in_one_pass() {
    let pieces = [
        "-", "2024-", "1 ", "1,", "1,234", "1.234", "1*10^", "a1.5*", "95% CI ", "[", "[a](", "“",
        "\" ", "`", "`` ` ", "`a` ", "```\n1 ", "1e999 ",
    ];
    for piece in pieces {
        let text = piece.repeat((1 << 17) / piece.len());
        ground("It is 12.5.", &[&text], &[]);
        ground(&text, &["12.5"], &[]);
    }
}

#[test]
fn a_count_that_begins_a_line_of_prose_is_no_number_of_a_row() {
    check(
        "4 rows\n7  North  12\n9 Ada",
        &[
            ("There are 4 rows.", "There are {4} rows."),
            ("There are 4 Rows", "There are {4} Rows"),
            ("There are 7 regions.", "There are <7> regions."),
            ("There are 9 people.", "There are <9> people."),
        ],
    );
}

#[test]
fn a_level_of_an_interval_and_an_hour_of_the_day_are_no_counts() {
    check(
        "95 seats in 6 days",
        &[
            (
                "the 95% interval, a 95 % confidence interval",
                "the 95% interval, a 95 % confidence interval",
            ),
            ("95 seats", "{95} seats"),
            ("at 6 o'clock, 6 o’clock, um 6 Uhr", "at 6 o'clock, 6 o’clock, um 6 Uhr"),
            ("after 6 days", "after {6} days"),
        ],
    );
}
