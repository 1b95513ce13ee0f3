"""What cells do with names and files: evidence for training. Runs in the companion as the module `datarus_watch`.

Names and files flow through a cell by its syntax: of each name that it sets, and of what it shows, it is told which names
of before and which files it was made from. Files that it reads are heard of as they are opened.
"""

import ast
import json
import os
import random
import sys
import warnings

from IPython import get_ipython
from IPython.core.inputtransformer2 import TransformerManager

SHOWS = {"print", "display"}
CHANGES = {"append", "extend", "add", "update", "insert", "pop", "remove", "sort", "clear", "setdefault", "fit", "fit_transform"}
# The defaults of `numpy.set_printoptions` and `numpy.seterr`, by their documentation.
PRINTED = {"edgeitems": 3, "infstr": "inf", "linewidth": 75, "nanstr": "nan", "precision": 8, "suppress": False, "threshold": 1000,
           "formatter": None, "sign": "-", "floatmode": "maxprec", "legacy": False}
SEEN = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


class Watch:
    """Knows what exists, and looks at what a cell made of it."""

    def __init__(self):
        self.shell, self.here, self.opened = get_ipython(), os.getcwd(), {}
        self.own, self.filters = dict(self.shell.user_ns), list(warnings.filters)
        self.builtin = set(self.own) | set(self.shell.user_ns_hidden)
        self.known = set()
        sys.addaudithook(self._hear)

    def _hear(self, event, args):
        if event == "open" and isinstance(args[0], str):
            mode, flags = args[1], args[2]
            reads = "r" in mode or "+" in mode if isinstance(mode, str) else not flags & (os.O_WRONLY | os.O_RDWR)
            if reads:
                self.opened[args[0]] = None

    def begin(self, seed):
        """Empties the namespace, as if Python were new: numbers of cells and of chance, too.

        `shell.reset` does it in 80 ms, most of which is one collection of garbage.
        """
        names = self.shell.user_ns
        for name in [name for name in names if name not in self.builtin]:
            del names[name]
        names.update(self.own)  # A cell may have given them another meaning.
        names["Out"].clear()
        self.shell.history_manager.reset(new_session=False)
        self.shell.execution_count = 1
        os.chdir(self.here)
        random.seed(seed)
        warnings.resetwarnings()
        warnings.filters[:] = self.filters
        for module in list(sys.modules.values()):
            getattr(module, "__warningregistry__", {}).clear()
        for name, do in (
            ("numpy", lambda m: m.random.seed(seed)),
            ("numpy", lambda m: (m.set_printoptions(**PRINTED), m.seterr(**SEEN))),
            ("matplotlib.pyplot", lambda m: m.close("all")),
            ("matplotlib", lambda m: m.rc_file_defaults()),
            ("pandas", lambda m: m.reset_option("^display\\.")),
        ):
            if name in sys.modules:
                do(sys.modules[name])
        return self.settle()

    def remove(self, names):
        """Removes files; those that it cannot, with why, as JSON."""
        kept = []
        for name in names:
            try:
                os.remove(os.path.join(self.here, name))
            except OSError as error:
                kept.append(f"`{name}` cannot be removed: {error.strerror}")
        return json.dumps(kept)

    def settle(self):
        """Takes what exists now for what was there before; gives back what the companion says of it, as JSON."""
        self.known, self.opened = self._names(), {}
        return repr(sys.modules["datarus_companion"].state())

    def look(self, source):
        """What the cell that ran just now did, as JSON; the next one is looked at against what it left."""
        state, names = json.loads(repr(sys.modules["datarus_companion"].state())), self._names()
        flow = Flow(self.known, self._file)
        try:
            flow.block(ast.parse(TransformerManager().transform_cell(source)).body, top=True)
        except SyntaxError:
            pass
        made = {name: sorted(flow.reads) for name in names - self.known - set(flow.env)}
        made.update({name: sorted(sources) for name, sources in flow.env.items() if name in names})
        shows = flow.shows | (flow.reads | flow.files if state["figures"] else set())
        patched = any(type(self.shell.user_ns.get(name)).__name__ in ("module", "type") for name in flow.patched)
        opens = {self._within(path) for path in self.opened if self._concerns(path, source)} | flow.files
        self.settle()
        evidence = {"reads": sorted(flow.reads), "writes": made, "shows": sorted(shows), "opens": sorted(opens)}
        return json.dumps({**state, "evidence": evidence, "patched": patched})

    def _names(self):
        return {n for n in self.shell.user_ns if not n.startswith("_") and n not in self.builtin}

    def _within(self, path):
        return os.path.relpath(os.path.realpath(path), os.path.realpath(self.here))

    def _concerns(self, path, source):
        """Whether a file is there, and in the working folder or named by the cell."""
        return os.path.exists(path) and (not self._within(path).startswith("..") or path in source)

    def _file(self, text):
        """The file of the working folder that a string names, if there is one."""
        fits = 0 < len(text) < 200 and "\0" not in text and "\n" not in text
        return self._within(text) if fits and os.path.isfile(text) else None


class Flow:
    """Goes through statements and knows what each name was made from."""

    def __init__(self, known, file):
        self.known, self.file = known, file
        self.env, self.reads, self.files, self.shows, self.patched = {}, set(), set(), set(), set()

    def block(self, body, top=False):
        """Statements one after the other; the last one of a cell is shown if it is an expression."""
        for at, statement in enumerate(body):
            self._statement(statement, top and at == len(body) - 1)

    def _statement(self, node, last):
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            sources = self._sources(node.value) if node.value else set()
            for target in getattr(node, "targets", None) or [node.target]:
                self._bind(target, sources | (self._sources_of(target) if isinstance(node, ast.AugAssign) else set()))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self.env.update({(alias.asname or alias.name.split(".")[0]): set() for alias in node.names})
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self.env[node.name] = self._sources(node)
        elif isinstance(node, ast.Expr):
            self._expression(node.value, last)
        else:
            self._compound(node)

    def _compound(self, node):
        for item in getattr(node, "items", []):
            if item.optional_vars:
                self._bind(item.optional_vars, self._sources(item.context_expr))
        if isinstance(node, (ast.For, ast.AsyncFor)):
            self._bind(node.target, self._sources(node.iter))
        for field in ("test", "subject", "exc", "value"):
            if isinstance(getattr(node, field, None), ast.expr):
                self._sources(getattr(node, field))
        for block in ("body", "orelse", "finalbody"):
            self.block(getattr(node, block, []))
        for part in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
            self.block(part.body)

    def _expression(self, value, last):
        sources = self._sources(value)
        call = value if isinstance(value, ast.Call) else None
        function = call.func if call else None
        if last or isinstance(function, ast.Name) and (function.id in SHOWS or function.id in self.env):
            self.shows |= sources
        elif isinstance(function, ast.Name) and function.id in self.known:
            self.shows |= sources
        in_place = call and any(k.arg == "inplace" and getattr(k.value, "value", False) is True for k in call.keywords)
        if isinstance(function, ast.Attribute) and (function.attr in CHANGES or in_place):
            self._bind(function, sources)

    def _bind(self, target, sources):
        if isinstance(target, ast.Name):
            self.env[target.id] = set(sources)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for part in target.elts:
                self._bind(part, sources)
        elif isinstance(target, ast.Starred):
            self._bind(target.value, sources)
        else:
            if isinstance(target, ast.Attribute):
                self.patched.add(base(target))
            name = base(target)
            if name is not None:
                self.env[name] = self._sources(target) | self._of(name) | sources

    def _sources_of(self, target):
        name = base(target)
        return self._of(name) if name else set()

    def _of(self, name):
        if name in self.env:
            return set(self.env[name])
        if name in self.known:
            self.reads.add(name)
            return {name}
        return set()

    def _sources(self, node):
        found = set()
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
                found |= self._of(part.id)
            elif isinstance(part, ast.Call) and getattr(part.func, "id", "") in ("setattr", "delattr") and part.args:
                self.patched.add(base(part.args[0]))
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                file = self.file(part.value)
                if file is not None:
                    self.files.add(file)
                    found.add(file)
        return found


def base(node):
    """The name that an expression such as `df.loc[1]["x"]` begins with."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


watch = Watch()
