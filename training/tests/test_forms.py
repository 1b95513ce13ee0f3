"""Forms: what is free in them, and what they read off what stood before."""

import unittest

from training import forms
from training.episodes import Episode
from training.forms import CELL, COLUMN, NAME, NUMBER, SAME_NAME, SAME_NUMBER, VARIABLE, Output, Reader


class Forms(unittest.TestCase):
    def test_a_thought_leaves_names_and_numbers_free(self):
        self.assertEqual(forms.of_text('3 largest "mass" by "R2".'), f'{NUMBER} largest "{NAME}" by "{NAME}".')

    def test_code_repeats_what_its_thought_settled_and_keeps_options(self):
        before = forms.parts_of('3 largest "mass" of "sales.tsv"')
        code = 'df = pd.read_csv("sales.tsv", sep="\\t")\ndf.nlargest(3, "mass").round(2)'
        wanted = (f'{VARIABLE} = pd.read_csv("{chr(SAME_NAME + 1)}", sep="\\t")\n'
                  f'{VARIABLE}.nlargest({chr(SAME_NUMBER)}, "{chr(SAME_NAME)}").round(2)')
        self.assertEqual(forms.of_code(code, "df", before), wanted)

    def test_a_title_repeats_names_and_is_none_itself(self):
        before = forms.parts_of('Scatter of "mass" against "age".')
        code = 'df.plot.scatter(x="age", y="mass", title="mass against age")'
        first, second = chr(SAME_NAME), chr(SAME_NAME + 1)
        self.assertEqual(forms.of_code(code, "df", before),
                         f'{VARIABLE}.plot.scatter(x="{second}", y="{first}", title="{first} against {second}")')
        self.assertEqual(forms.parts_of(code)[0], ["age", "mass"])

    def test_joined_tables_are_the_table_once_they_are_joined(self):
        self.assertEqual(forms.of_code('both["n"]', "df", (["n"], [])), f'{VARIABLE}["{chr(SAME_NAME)}"]')
        self.assertTrue(forms.of_code("both = df.merge(other)", "df").startswith(f"both = {VARIABLE}"))

    def test_an_answer_reads_columns_and_cells(self):
        table = Reader('df.nlargest(2, "n")', "", Output("city|n\nRome|9\nOslo|7"))
        self.assertEqual(table.form("The 2 largest: 9, 7."),
                         f"The {chr(SAME_NUMBER)} largest: {chr(COLUMN[0])}, {chr(COLUMN[0] + 1)}.")
        series = Reader("", "", Output("city\nNew York  9\nName: n, dtype: int64"))
        self.assertEqual(series.form('"New York" 9'), f'"{chr(CELL + 1)}" {chr(CELL + 2)}')

    def test_the_kinds_that_were_seen_at_a_place_are_told(self):
        form = forms.with_kinds(f'"{NAME}" by "{NAME}" and "{NAME}"', [{"number"}, {"category"}, {"number", "date"}])
        self.assertEqual(form, f'"{forms.MEASURE}" by "{forms.GROUP}" and "{NAME}"')

    def test_what_may_be_said_only_of_nothing_or_of_zero_is_marked(self):
        bare = Episode()
        bare.stop("No file and no table.", "There is no data yet.")
        self.assertEqual(list(forms.of_episode(bare, {}))[0].split(forms.SEPARATOR)[0], forms.NOTHING)
        none = Episode()
        none.kinds = {"mass": "number"}
        none.step("Count.", "df.isna().sum()", "mass  0\ncity  0", "")
        none.stop("All counts are 0.", "There are no missing values.")
        last = list(forms.of_episode(none, {}))[-1].split(forms.SEPARATOR)[1]
        self.assertEqual(last, f"All counts are {forms.ZERO}{chr(CELL + 1)}.")


if __name__ == "__main__":
    unittest.main()
