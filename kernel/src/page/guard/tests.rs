//! What is asked for and what is not.

use super::*;

#[track_caller]
fn check(code: &str, expected: &[&str]) {
    assert_eq!(reasons(code), expected, "{code}");
}

#[test]
fn what_deletes_files_is_asked_for() {
    check("import os\nos.remove('a.csv')", &["deletes a file: os.remove"]);
    check("from os import remove as r\nr('a.csv')", &["deletes a file: os.remove"]);
    check("import os as o; o.unlink('a')", &["deletes a file: os.unlink"]);
    check("list(map(os.remove, old))", &["deletes a file: os.remove"]);
    check("shutil.rmtree('data')", &["deletes a file: shutil.rmtree"]);
    check("import shutil as s\ns.rmtree('data')", &["deletes a file: shutil.rmtree"]);
    check("from pathlib import Path\nPath('a.csv').unlink()", &["deletes a file: unlink"]);
    check("path.rmdir()", &["deletes a file: path.rmdir"]);
    check("!rm -rf data", &["deletes a file: rm -rf data"]);
    check("rm a.csv", &["deletes a file: rm a.csv"]);
}

#[test]
fn what_may_overwrite_files_is_asked_for() {
    check("df.to_csv('out.csv')", &["may overwrite a file: df.to_csv"]);
    check("df.groupby('a').sum().to_excel(path)", &["may overwrite a file: to_excel"]);
    check("open('a.txt', 'w').write('x')", &["may overwrite a file: open"]);
    check("with open(name, mode=\"ab\") as f:\n    pass", &["may overwrite a file: open"]);
    check("Path('a').open('r+')", &["may overwrite a file: open"]);
    check("Path('a').write_text('x')", &["may overwrite a file: write_text"]);
    check("plt.savefig('a.png')", &["may overwrite a file: plt.savefig"]);
    check("np.savetxt('a', x)", &["may overwrite a file: numpy.savetxt"]);
    check("os.rename('a', 'b')", &["may overwrite a file: os.rename"]);
    check("shutil.copyfile('a', 'b')", &["may overwrite a file: shutil.copyfile"]);
    check("zipfile.ZipFile('a.zip', 'w')", &["may overwrite a file: zipfile.ZipFile"]);
    check("%%writefile a.py\nx = 1", &["may overwrite a file: %%writefile a.py"]);
    check("!sort a > b", &["may overwrite a file: sort a > b"]);
    check("!cp a b", &["may overwrite a file: cp a b"]);
}

#[test]
fn what_installs_packages_is_asked_for() {
    check("!pip install polars", &["installs packages: pip install polars"]);
    check("%pip install -q polars", &["installs packages: pip install -q polars"]);
    check("pip install polars", &["installs packages: pip install polars"]);
    check("%conda install polars", &["installs packages: conda install polars"]);
    check("!uv add polars", &["installs packages: uv add polars"]);
    check("import pip", &["installs packages: pip"]);
    check("!python -m pip install x", &["installs packages: python -m pip install x"]);
}

#[test]
fn what_starts_processes_is_asked_for() {
    check("import subprocess", &["starts a process: subprocess"]);
    check("subprocess.run(['ls'])", &["starts a process: subprocess.run"]);
    check("from subprocess import check_output", &["starts a process: subprocess.check_output"]);
    check("os.system('ls')", &["starts a process: os.system"]);
    check("!ls", &["starts a process: ls"]);
    check("files = !ls", &["starts a process: ls"]);
    check("%%bash\nls", &["starts a process: %%bash"]);
    check("get_ipython().run_line_magic('sx', 'ls')", &["starts a process: run_line_magic"]);
    check("eval('1 + 1')", &["runs code that cannot be looked at: eval"]);
    check("__import__('os').system('ls')", &["runs code that cannot be looked at: __import__"]);
}

#[test]
fn what_opens_the_network_is_asked_for() {
    check("import requests", &["opens the network: requests"]);
    check("r = requests.get(url)", &["opens the network: requests.get"]);
    check("from urllib.request import urlopen", &["opens the network: urllib.request.urlopen"]);
    let url = "opens the network: https://example.org/a.csv";
    check("pd.read_csv('https://example.org/a.csv')", &[url]);
    check("url = f\"https://example.org/a.csv\"", &[url]);
    check("import socket, json", &["opens the network: socket"]);
    check("!curl -O example.org", &["opens the network: curl -O example.org"]);
    check("sns.load_dataset('tips')", &["opens the network: sns.load_dataset"]);
}

#[test]
fn what_only_computes_and_reads_is_not() {
    for code in [
        "import pandas as pd\ndf = pd.read_csv('a.csv')\ndf.head()",
        "df.rename(columns={'a': 'b'}).replace('x', 'y')",
        "items.remove(3); df.drop(columns=['a'])",
        "open('a.txt').read(); open('a.txt', 'r', encoding='utf-8')",
        "df.to_csv(); print(df.to_markdown())",
        "# os.remove('a')\nprint('os.remove and !rm and subprocess')",
        "import os\nos.listdir('.'); os.path.join('a', 'b'); os.environ.get('HOME')",
        "re.compile('a'); df.eval('a + b'); model.eval()",
        "%matplotlib inline\n%time df.sum()",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
        "from urllib.parse import urlparse\nurlparse(x)",
        "text = 'see https://example.org'",
        "df['open'].mean()",
        "np.load('a.npy'); json.load(open('a.json')); json.dumps(x)",
        "def generate():\n    yield from rows\nraise ValueError from error",
        "the_pip = 1; requests_total = df.requests.sum()",
        "",
        "x = (((",
    ] {
        check(code, &[]);
    }
}

#[test]
fn several_reasons_are_each_named_once_and_their_number_is_bounded() {
    check(
        "import requests\nos.remove('a')\nos.remove('b')\nrequests.get(u)",
        &[
            "opens the network: requests",
            "deletes a file: os.remove",
            "opens the network: requests.get",
        ],
    );
    let many: Vec<_> = (0..50).map(|n| format!("!run{n}")).collect();
    assert_eq!(reasons(&many.join("\n")).len(), MAX_REASONS);
}

#[test]
fn code_inside_a_timing_magic_is_looked_at() {
    check("%time os.remove('a')", &["deletes a file: os.remove"]);
    check("%%time\nos.remove('a')", &["deletes a file: os.remove"]);
}
