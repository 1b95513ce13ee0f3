use super::*;

/// What a row expects.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Is {
    Py,
    Ask,
    /// A prompt unless one of the names exists.
    Names,
}
use Is::{Ask, Names, Py};

#[track_caller]
fn check(rows: &[(Is, &str)]) {
    let mut wrong = Vec::new();
    for (expected, code) in rows {
        let found = match route(code, None) {
            Route::Python | Route::PythonAs(_) | Route::Setting(_) => Py,
            Route::Prompt(_) => Ask,
            Route::PromptUnlessDefined { .. } => Names,
        };
        if found != *expected {
            wrong.push(format!("{code:?}: expected {expected:?}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn questions_in_many_languages_are_prompts() {
    check(&[
        (Ask, "Which month sells best?"),
        (Ask, "Which region grew fastest in sales.csv?"),
        (Ask, "which region sold most"),
        (Ask, "sales by region?"),
        (Ask, "What's the average delay per carrier?"),
        (Ask, "Show me the first ten rows of flights.parquet"),
        (Ask, "Plot the sales and the costs over time, please."),
        (Ask, "load sales.csv and show the mean price"),
        (Ask, "average of arr_delay by carrier"),
        (Ask, "Is there a correlation between price and quantity?"),
        (Ask, "is it growing"),
        (Ask, "in which month did we lose money"),
        (Ask, "top 5 customers by revenue"),
        (Ask, "Sales for Europe"),
        (Ask, "How many rows have x > 3?"),
        (Ask, "Welche Region hat am meisten verkauft?"),
        (Ask, "Zeige mir die Umsätze nach Monat."),
        (Ask, "Umsatz nach Region"),
        (Ask, "Berechne den Mittelwert der Spalte „Preis“"),
        (Ask, "Quel mois se vend le mieux ?"),
        (Ask, "Montre-moi l'évolution du chiffre d'affaires"),
        (Ask, "Résumé des ventes par région"),
        (Ask, "¿Qué región vendió más?"),
        (Ask, "Muéstrame las ventas y los costos por mes"),
        (Ask, "Ventas por región"),
        (Ask, "Qual região vendeu mais?"),
        (Ask, "Mostre a média dos preços por mês"),
        (Ask, "Quale regione ha venduto di più?"),
        (Ask, "Toon de omzet per maand"),
        (Ask, "Hangi bölge en çok sattı?"),
        (Ask, "Который месяц самый прибыльный?"),
        (Ask, "Покажи средние продажи по регионам"),
        (Ask, "哪个地区增长最快？"),
        (Ask, "画出销售额的折线图。"),
        (Ask, "请分析 sales.csv 的数据"),
        (Ask, "2023年和2024年的对比"),
        (Ask, "3月的销售额是多少"),
        (Ask, "売上を月別に集計して、グラフにして"),
        (Ask, "どの月が一番売れましたか？"),
        (Ask, "매출이 가장 높은 지역은 어디인가요?"),
        (Ask, "월별 매출을 그려줘"),
        (Ask, "ما هي المنطقة الأعلى مبيعات؟"),
        (Ask, "أظهر متوسط السعر لكل شهر"),
        (Ask, "कौन सा क्षेत्र सबसे अच्छा बिका?"),
        (Ask, "हर महीने की औसत बिक्री दिखाओ"),
        (Ask, "กราฟยอดขายรายเดือน หน่อย"),
        (Ask, "Doanh thu theo vùng là bao nhiêu?"),
        (Ask, "איזה אזור מכר הכי הרבה?"),
        (Ask, "Ποια περιοχή πούλησε περισσότερο;"),
        (Ask, "Який місяць найкращий?"),
        (Ask, "Który region sprzedał najwięcej?"),
    ]);
}

#[test]
fn prose_with_numbers_brackets_and_pieces_of_code_is_a_prompt() {
    check(&[
        (Ask, "Compare 'North' and 'South' by month"),
        (Ask, "Compare \"North America\" with Europe"),
        (Ask, "Compute the mean (and the median) of price"),
        (Ask, "Use groupby() to find the best region"),
        (Ask, "Calculate mean(sales) by region"),
        (Ask, "Explain df.groupby('region').sum()"),
        (Ask, "Is x == 3 for any row?"),
        (Ask, "what share of the 1,234 orders came after 2021-03-01"),
        (Ask, "% of sales by region"),
        (Ask, "1. Load the data\n2. Plot it"),
        (Ask, "- mean of sales\n- median of sales"),
        (Ask, "Hello!\nWhich region sold most?"),
        (Ask, "Please fix this code:\nfor i in range(10)\n    print(i)"),
        (Ask, "# Sales\nWhich region sold most"),
        (Ask, "Do the following: load the file, clean it, plot it"),
        (Ask, "don't plot it, print the table"),
        (Ask, "what is the user's total"),
        (Ask, "for each region show the average"),
        (Ask, "if the sales drop tell me when"),
        (Ask, "from the file, show the last rows"),
        (Ask, "with tax included what is the total"),
        (Ask, "import the file sales.csv and look at it"),
        (Ask, "print the total of all sales"),
        (Ask, "class sizes by school"),
        (Ask, "class balance?"),
        (Ask, "try a random forest"),
        (Ask, "export as excel"),
        (Ask, "customers' names"),
        (Ask, "3 best months"),
        (Ask, "t-test for x and y"),
        (Ask, "Why do I get KeyError: 'sales'?"),
        (Ask, "sum of sales where region == \"North\""),
        (Ask, "95% confidence interval for the mean"),
        (Ask, "Make a bar chart: x = region, y = sum(sales)"),
        (Ask, "Total cost = price times quantity, by month?"),
        (Ask, "Plot y = x^2 for x from 0 to 10"),
        (Ask, "save the plot as png"),
        (Ask, "run a regression of price on size"),
        (Ask, "who sold the most"),
        (Ask, "time series of sales"),
        (Ask, "match the customers with the orders"),
        (Ask, "type of each column"),
        (Ask, "select the best region from sales"),
        (Ask, "continue"),
        (Ask, "go on from here"),
        (Ask, "Why did sales drop in July 😟"),
        (Ask, "What’s the “best” region"),
    ]);
}

#[test]
fn marks_are_prompts_whatever_follows() {
    check(&[
        (Ask, "> which month?"),
        (Ask, ">x = 1"),
        (Ask, "\n  > df.head()"),
        (Ask, ">"),
        (Ask, "%%ask\nx = 1"),
        (Ask, "%%ask --think Why is the sky blue?"),
        (Ask, "%%ask"),
        (Py, "%%py\nWhich month sells best?"),
        (Py, "%%py"),
        (Py, ">>> 1 + 1\n2"),
        (Py, ">>>"),
        (Py, "%%asking"),
        (Py, "%%python3\nprint(1)"),
    ]);
}

#[test]
fn what_python_accepts_is_python() {
    check(&[
        (Py, ""),
        (Py, "  \n\n"),
        (Py, "# Which month sells best?"),
        (Py, "# one\n\n# two words"),
        (Py, "x = 1"),
        (Py, "1 + 1"),
        (Py, "df"),
        (Py, "df.head()"),
        (Py, "df.sales"),
        (Py, "df[\"which month\"]"),
        (Py, "print('Which month sells best?')"),
        (Py, "\"Which month sells best?\""),
        (Py, "\"\"\"\nWhich month sells best?\n\"\"\""),
        (Py, "f\"{x!r:>10} and {d['a']}\""),
        (Py, "f\"{d[\"a\"]} is {f\"{y:{w}}\"}\""),
        (Py, "f'{{literal}} {x:\"^9}'"),
        (Py, "rb'\\d' + Rb\"x\""),
        (Py, "a = 'one' 'two'\nb = ('three'\n 'four')"),
        (Py, "@decorator\nasync def f(x: int = 1, *, y) -> str:\n    return await g(x)"),
        (Py, "class Which(object):\n    month: int = 3"),
        (Py, "for month in best:\n    if month is not None and month in sales:\n        pass"),
        (Py, "x = yes if sells else no"),
        (Py, "[x for x in y if not x]"),
        (Py, "{**a, 'b': lambda x: x}"),
        (Py, "match command:\n    case [x, y]: z\n    case _: w"),
        (Py, "match = 3\ntype = 4\nmatch + type"),
        (Py, "type Alias[T] = list[T]"),
        (Py, "print(*args, sep='')"),
        (Py, "import numpy as np; from a.b import (c,\n   d)"),
        (Py, "x = 1 if y else 2j + 0xFF + 1_000.5e-3 + .5"),
        (Py, "1if x else 2"),
        (Py, "with open(p) as f, g: pass"),
        (Py, "if x: import a.b as c; import d as e"),
        (Py, "try:\n    x\nexcept* E as error: pass"),
        (Py, "match x:\n    case int() as n: n"),
        (Py, "with (a as b,\n      c as d):\n    pass"),
        (Py, "global x, y"),
        (Py, "assert x, 'not what we expect'"),
        (Py, "if (n := len(a)) > 10: print(n)"),
        (Py, "x = \\\n  3"),
        (Py, "del x, y"),
        (Py, "raise ValueError from None"),
        (Py, "结果 = 分析(数据)"),
        (Py, "df.売上.mean()"),
        (Py, "not x"),
        (Py, "..."),
        (Py, "None"),
        (Py, "help()"),
        (Py, "In [3]: df.head()\nOut[3]: the table"),
        (Py, "\"\"\"Remove?\n\nIt is the name of a step.\"\"\""),
        (Py, "rf'(\\{{%)(\\s+)({ident})' + f'\\N{BULLET} item'"),
        (Py, "x: list[int] = []  # what is this?"),
        (Py, "lambda: (yield)"),
        (Py, "t\"hello {name}\""),
        (Py, "a @ b; c **= 2; d //= 3; e <<= 1; f -> g"),
    ]);
}

#[test]
fn ipython_syntax_is_python() {
    check(&[
        (Py, "%matplotlib inline"),
        (Py, "%timeit sum(range(100)) or what ever"),
        (Py, "%%time\nthis is not checked"),
        (Py, "%%bash\necho which month sells best?"),
        (Py, "!ls -la some folder"),
        (Py, "!pip install pandas"),
        (Py, "?help"),
        (Py, "??df.head"),
        (Py, "df.head?"),
        (Py, "df.head??"),
        (Py, "x = foo?"),
        (Py, "np.*load*?"),
        (Py, "files = !ls -la my folder"),
        (Py, "out = %timeit -o what ever"),
        (Py, "import os\n!echo hello world\n%cd some where\nos.getcwd()"),
        (Py, "!echo one \\\n two words here"),
        (Py, "if x:\n    !ls one two\n    %time f (x)"),
        (Py, "pip install pandas openpyxl"),
        (Py, "conda install -c conda-forge polars"),
        (Py, "ls -la"),
        (Py, "cd my data"),
        (Py, "pwd"),
        (Py, "run script.py"),
        (Py, "load snippet.py"),
        (Py, "matplotlib inline"),
        (Py, "history -n"),
        (Py, "/print 1 2"),
        (Py, ",print a b"),
    ]);
}

#[test]
fn half_written_and_misspelt_code_stays_python() {
    check(&[
        (Py, "df.head("),
        (Py, "for i in range(10"),
        (Py, "for i in range 10:"),
        (Py, "x = 'abc"),
        (Py, "print(\"The total of all the sales is)"),
        (Py, "print 'hello world'"),
        (Py, "print sales"),
        (Py, "print(sales total)"),
        (Py, "def foo(x) return x"),
        (Py, "improt pandas as pd"),
        (Py, "form pandas import DataFrame"),
        (Py, "retrun x"),
        (Py, "whlie True:\n    pass"),
        (Py, "df.read csv('sales.csv')"),
        (Py, "total sales = df.sum()"),
        (Py, "df.plot(x='month', y='sales' kind='bar')"),
        (Py, "plt.plot(x, y\nplt.show()"),
        (Py, "if x > 3 print('yes')"),
        (Py, "x = 5 apples"),
        (Py, "df['sales"),
        (Py, "df[\"销售额"),
        (Py, "print(“hello world”)"),
        (Py, "x === y"),
        (Py, "i++"),
        (Py, "foo(bar))"),
        (Py, "x = {1, 2"),
        (Py, "df = pd.read_csv('a.csv')\nplot the sales for me"),
        (Py, "def f(:\n    \"\"\"Compute the mean of it all.\"\"\""),
        (Py, "\"\"\"\nCompute the mean of it all.\n\"\"\"\nx = (1 2"),
        (Py, "assert total and count or mean in values\nx = = 3"),
        (Py, "const x = 3;"),
        (Py, "Hello!"),
        (Py, "x ="),
        (Py, "$x"),
    ]);
}

#[test]
fn bare_names_are_left_to_the_companion() {
    check(&[
        (Names, "help"),
        (Names, "summary"),
        (Names, "hello, world"),
        (Names, "Why?"),
        (Names, "分析数据"),
        (Names, "分析数据?"),
        (Names, "売上を分析して"),
        (Names, "sales.csvを読み込んで"),
        (Names, "not sure"),
        (Names, "What is 3+4"),
        (Names, "Zusammenfassung"),
        (Names, "sales and costs"),
        (Names, "Überblick"),
        (Names, "요약해줘"),
        (Names, "平均价格是多少"),
        (Names, "前10行"),
        (Names, "Hi"),
        (Py, "dff"),
        (Py, "x"),
        (Py, "x, y"),
        (Py, "sales_2023"),
        (Py, "dataFrame"),
        (Py, "x + y"),
        (Py, "np.pi"),
    ]);
    let Route::PromptUnlessDefined { names, prompt } = route(" What is it, What ", None) else {
        panic!("bare names");
    };
    assert_eq!(names, ["What", "it"]);
    assert_eq!(prompt.text, "What is it, What");
}

#[test]
fn the_role_of_the_front_end_comes_first() {
    let prompt = |text: &str| Route::Prompt(Prompt::plain(text));
    assert_eq!(route("x = 1", Some(Role::Prompt)), prompt("x = 1"));
    assert_eq!(route("> x = 1", Some(Role::Prompt)), prompt("x = 1"));
    assert_eq!(route("%%py\nx = 1", Some(Role::Prompt)), prompt("%%py\nx = 1"));
    assert_eq!(route("Which month sells best?", Some(Role::Code)), Route::Python);
    assert_eq!(route("> which?", Some(Role::Code)), Route::Python);
    assert_eq!(route("%%py\nx", Some(Role::Code)), Route::PythonAs("\nx".into()));
    let show = Route::Setting(Ok(Setting::Show));
    assert_eq!(route("\n%datarus\n", Some(Role::Code)), show);
    assert_eq!(route("%datarus", None), show);
    assert_eq!(route("%datarus", Some(Role::Prompt)), prompt("%datarus"));
    assert_eq!(route("%datarusx", None), Route::Python);
    assert_eq!(Role::named("prompt"), Some(Role::Prompt));
    assert_eq!(Role::named("code"), Some(Role::Code));
    assert_eq!(Role::named("answer"), None);
}

#[test]
fn marks_are_taken_off_and_flags_are_read() {
    let ask = |code: &str| match route(code, None) {
        Route::Prompt(prompt) => prompt,
        other => panic!("{other:?}"),
    };
    let flags = |think, again| Flags { think, again, ..Flags::default() };
    let prompt = |text: &str, flags| Prompt { text: text.into(), flags };
    assert_eq!(ask(">  which\n month? \n"), prompt("which\n month?", flags(false, false)));
    assert_eq!(ask("%%ask --think\nWhy?"), prompt("Why?", flags(true, false)));
    assert_eq!(ask("%%ask --again --think Why?"), prompt("Why?", flags(true, true)));
    assert_eq!(ask("%%ask why --think"), prompt("why --think", flags(false, false)));
    assert_eq!(ask("%%ask\n--think"), prompt("--think", flags(false, false)));
    let wrong = ask("%%ask --fast --slow why").flags.wrong.unwrap();
    assert!(wrong.starts_with("`%%ask` has no flag `--fast`: it has `--think`"), "{wrong}");
    let preset = |preset| Flags { preset: Some(preset), ..Flags::default() };
    let sql = preset(Preset::SqlAnalysis);
    assert_eq!(ask("%%ask --preset sql-analysis Top 3?"), prompt("Top 3?", sql));
    let cleaning = prompt("Clean these data.", preset(Preset::Cleaning));
    assert_eq!(ask("%%ask --preset cleaning"), cleaning);
    let wrong = ask("%%ask --preset\ncleaning").flags.wrong.unwrap();
    assert!(wrong.ends_with("`executive-summary`, not ``"), "{wrong}");
    assert_eq!(route("\n%%py x\n1 +\n", None), Route::PythonAs("\n\n1 +\n".into()));
}

#[test]
fn nothing_that_can_be_typed_is_too_deep_or_breaks_the_reader() {
    let deep = 50_000;
    for piece in [
        "(", "[", "{", "f\"{", "f'{f\"{", "\"\"\"", "'", "\\", "\u{0}", "🙂", "\r", "?", "a ",
        "\u{FEFF}", "1e", "0x", ">", "\\\n",
    ] {
        let code = piece.repeat(deep / piece.len());
        route(&code, None);
        route(&format!("x = {code}"), None);
    }
}
