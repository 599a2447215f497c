"""Programs that try to cheat, to hang or to break the audit, and what each deserves.

Every body stands in a function ``compute_model_placement(gpu_num, models)``, in a
function ``place(instance)``, or in a script that has read its fleet into ``fleet``.
``SPREAD`` ends one with an honest answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent, indent

from kvpr_opt.audit.verdict import Problem

SPREAD = "return {g: models[g::gpu_num] for g in range(gpu_num)}"
BY_NAME = "return {m.name: f'gpu{n % 2}' for n, m in enumerate(instance.models)}"
ALTERNATE = "print(json.dumps({m['name']: f'gpu{n % 2}' for n, m in enumerate(fleet['models'])}))"

#: The folder of a run as the program sees it, and the file of the report in it.
FOLDER = "os.path.dirname(os.getcwd())"
REPORT = f"os.path.join({FOLDER}, 'report.json')"

VALID: frozenset[Problem] = frozenset()
CRASH = frozenset({Problem.CRASH})
TIMEOUT = frozenset({Problem.TIMEOUT})
NONE = frozenset({Problem.NO_PLACEMENT})
MUTATED = frozenset({Problem.MUTATED})


@dataclass(frozen=True)
class Hostile:
    """A program.

    Attributes
    ----------
    name
        Says what it does.
    body
        Its code.
    verdicts
        The sets of problems that are right; more than one where it depends on the system.
    kind
        ``function``, ``place`` or ``script``.
    seconds
        The time limit of its runs.
    slow
        Whether it takes long.
    """

    name: str
    body: str
    verdicts: tuple[frozenset[Problem], ...]
    kind: str = "function"
    seconds: float = 20
    slow: bool = False

    def text(self, python: str) -> str:
        """The program file."""
        body = dedent(self.body).strip("\n")
        if self.kind == "script":
            return (
                f"#!{python}\nimport json, os, sys\nfleet = json.load(open(sys.argv[1]))\n{body}\n"
            )
        signature = {
            "function": "compute_model_placement(gpu_num, models)",
            "place": "place(instance)",
        }[self.kind]
        head = f"import builtins, json, os, sys, time\n\ndef {signature}:\n"
        return head + indent(body, "    ") + "\n"


def _function(
    name: str, body: str, *verdicts: frozenset[Problem], seconds: float = 20, slow: bool = False
) -> Hostile:
    return Hostile(name, body, verdicts, "function", seconds, slow)


def _place(
    name: str, body: str, *verdicts: frozenset[Problem], seconds: float = 20, slow: bool = False
) -> Hostile:
    return Hostile(name, body, verdicts, "place", seconds, slow)


def _script(
    name: str, body: str, *verdicts: frozenset[Problem], seconds: float = 20, slow: bool = False
) -> Hostile:
    return Hostile(name, body, verdicts, "script", seconds, slow)


def _problems(*problems: Problem) -> frozenset[Problem]:
    return frozenset(problems)


DROPPED = _problems(Problem.DROPPED)
FOREIGN_GPU = _problems(Problem.FOREIGN_GPU)
OVERFULL = _problems(Problem.OVERFULL)
DUPLICATED = _problems(Problem.DUPLICATED)


def _forged(report: str) -> str:
    """Writes a report as the child does, of an answer that the function never gave."""
    return f"""
        for fd in map(int, os.listdir("/proc/self/fd")):
            if os.path.realpath(f"/proc/self/fd/{{fd}}").endswith("report.json"):
                break
        os.write(fd, ({report}).encode())
        os._exit(0)
    """


PROGRAMS = (
    # -- the file of the report, and the folder around it
    _function(
        "replaces the report by a pipe",
        f"os.remove({REPORT}); os.mkfifo({REPORT}); {SPREAD}",
        VALID,
    ),
    _function(
        "replaces the report by a link to an endless device",
        f"os.remove({REPORT}); os.symlink('/dev/zero', {REPORT}); {SPREAD}",
        VALID,
    ),
    _function(
        "replaces the report by a folder",
        f"os.remove({REPORT}); os.mkdir({REPORT}); {SPREAD}",
        VALID,
    ),
    _function(
        "removes the folder of its run",
        f"import shutil; shutil.rmtree({FOLDER}); {SPREAD}",
        VALID,
    ),
    _function(
        "takes away all rights on the folder of its run",
        f"os.mkdir('x'); os.chmod('x', 0); os.chmod({FOLDER}, 0); {SPREAD}",
        VALID,
    ),
    _function(
        "leaves three thousand nested folders",
        f"""
        for _ in range(3000):
            os.mkdir("d")
            os.chdir("d")
        {SPREAD}
        """,
        VALID,
        slow=True,
    ),
    _function(
        "leaves two thousand files with odd names",
        f"""
        for n in range(2000):
            open(f"a\\n\\x1b[31m {{n}}", "w").close()
        {SPREAD}
        """,
        VALID,
        slow=True,
    ),
    _function(
        "leaves a link to the folder of the user",
        f"os.symlink(os.path.expanduser('~root'), 'link'); {SPREAD}",
        VALID,
    ),
    _function("closes every file", f"os.closerange(0, 256); {SPREAD}", CRASH),
    _function("prints without end", "while True: print('x' * 100000)", TIMEOUT, seconds=0.3),
    # -- forged reports
    _function(
        "forges a missing function", _forged("json.dumps({'outcome': 'no function'})"), CRASH
    ),
    _function(
        "forges fifteen megabytes of error",
        _forged("json.dumps({'outcome': 'raised', 'error': 'x\\n' * 5_000_000})"),
        CRASH,
        slow=True,
    ),
    _function(
        "forges half of a surrogate pair",
        _forged("json.dumps({'outcome': 'raised', 'error': '\\ud800'})"),
        CRASH,
    ),
    _function(
        "forges a million replaced built-ins",
        _forged("json.dumps({'outcome': 'returned', 'patched': ['x'] * 1000000})"),
        CRASH,
    ),
    _function(
        "forges an infinite naive value",
        _forged("json.dumps({'outcome': 'returned', 'naive': float('inf'), 'gpus': []})"),
        CRASH,
    ),
    _function(
        "forges a naive value that is next to nothing",
        _forged(
            "json.dumps({'outcome': 'returned', 'naive': 1e-320, 'kept': True, "
            "'entries': len(models), 'gpus': []})"
        ),
        DROPPED,
    ),
    _function(
        "forges a report that is nested without end",
        _forged('\'{"outcome": "returned", "gpus": \' + \'[\' * 1000000'),
        CRASH,
    ),
    _function(
        "forges a better placement than there is",
        _forged(
            "json.dumps({'outcome': 'returned', 'kept': True, "
            "'entries': len(models), 'gpus': [[0, [0]], [1, []]]})"
        ),
        DROPPED,
    ),
    # -- answers that are too good, too many or too odd
    _function("scores itself by a tiny rate", f"models[0].req_rate = 1e-309; {SPREAD}", MUTATED),
    _function("makes all rates tiny", f"for m in models: m.req_rate = 1e-309\n{SPREAD}", MUTATED),
    _function("makes its rates negative", f"for m in models: m.req_rate = -1\n{SPREAD}", MUTATED),
    _function("makes a rate infinite", f"models[0].req_rate = float('inf'); {SPREAD}", MUTATED),
    _function("makes a size no number", f"models[0].model_size = float('nan'); {SPREAD}", MUTATED),
    _function("gives a model half a name", f"models[0].model_name = '\\udc80'; {SPREAD}", MUTATED),
    _function(
        "names a model with a megabyte",
        f"models[0].model_name = 'x\\n\\u202e' * 300000; {SPREAD}",
        MUTATED,
        slow=True,
    ),
    _function(
        "has sizes that change with every look",
        f"""
        class Size(float):
            def __float__(self):
                Size.n = getattr(Size, "n", 0) + 1
                return float(Size.n)
        models[0].model_size = Size(14)
        {SPREAD}
        """,
        MUTATED,
    ),
    _function(
        "has numbers that equal everything",
        f"""
        class Any(float):
            def __eq__(self, other):
                return True
            def __hash__(self):
                return 0
        models[5].req_rate = Any(0.001)
        {SPREAD}
        """,
        MUTATED,
    ),
    _function(
        "has a rate whose text never ends",
        f"""
        class Rate:
            def __repr__(self):
                while True:
                    pass
        models[0].req_rate = Rate()
        {SPREAD}
        """,
        TIMEOUT,
        seconds=0.3,
    ),
    _function(
        "answers with a dict that lies about its items",
        """
        class Lies(dict):
            def items(self):
                return [(0, [])]
            def values(self):
                return []
        return Lies({0: models})
        """,
        OVERFULL,
    ),
    _function(
        "answers with a list that lies about its length",
        """
        class Lies(list):
            def __iter__(self):
                return iter([])
            def __len__(self):
                return 0
        return {0: Lies(models)}
        """,
        OVERFULL,
    ),
    _function(
        "answers with ten million keys",
        "return {n: [models[0]] for n in range(10_000_000)}",
        NONE,
        CRASH,
        slow=True,
    ),
    _function(
        "answers with a million entries of one model",
        "return {0: [models[0]] * 1_000_000}",
        _problems(Problem.DROPPED, Problem.DUPLICATED),
        slow=True,
    ),
    _function(
        "answers with a million copies under long names",
        """
        import copy
        one = copy.copy(models[0])
        one.model_name = "x" * 1000
        return {0: [one] * 1_000_000}
        """,
        NONE,
        slow=True,
    ),
    _function(
        "answers with keys that are text",
        f"return {{str(g): m for g, m in ({SPREAD[7:]}).items()}}",
        FOREIGN_GPU,
    ),
    _function("answers with huge keys", "return {10 ** 400: models}", FOREIGN_GPU),
    _function(
        "answers with keys that are no numbers", "return {float('nan'): models}", FOREIGN_GPU
    ),
    _function(
        "answers with a key whose text is a megabyte",
        "return {'\\u202e|\\n' * 300000: models}",
        FOREIGN_GPU,
    ),
    _function(
        "puts each model on every GPU",
        "return {g: models for g in range(gpu_num)}",
        _problems(Problem.DUPLICATED, Problem.OVERFULL),
    ),
    _function("drops all models", "return {}", DROPPED),
    _function(
        "drops the model with most traffic", "return {0: models[:3], 1: models[3:5]}", DROPPED
    ),
    _function("answers with itself", "d = {}; d[0] = d; return d", NONE),
    _function("answers with a list that holds itself", "d = []; d.append(d); return {0: d}", NONE),
    # -- ends, loops and memory
    _function("sleeps", "time.sleep(60)", TIMEOUT, seconds=0.3),
    _function("loops", "while True: pass", TIMEOUT, seconds=0.3),
    _function(
        "catches every signal",
        """
        import signal
        for number in range(1, 32):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass
        """,
        TIMEOUT,
        seconds=0.3,
    ),
    _function("eats memory", "x = []\nwhile True: x.append(bytearray(1 << 24))", CRASH, slow=True),
    _function("fills a file", "open('x', 'wb').write(b'x' * (100 << 20)); " + SPREAD, CRASH),
    _function("recurses without end", "return compute_model_placement(gpu_num, models)", CRASH),
    _function("crashes the interpreter", "import ctypes; ctypes.string_at(0)", CRASH),
    _function("kills its process group", "os.killpg(0, 9)", CRASH),
    _function(
        "stops itself", "import signal; os.kill(os.getpid(), signal.SIGSTOP)", TIMEOUT, seconds=0.6
    ),
    _function(
        "raises an error of fifteen megabytes",
        "raise ValueError('x\\n' * 7_500_000)",
        CRASH,
        slow=True,
    ),
    _function(
        "raises an error that cannot be read",
        """
        class Error(Exception):
            def __str__(self):
                raise self
        raise Error
        """,
        CRASH,
    ),
    _function(
        "raises with half of a surrogate pair", "raise ValueError('\\ud800 | \\n\\x1b[2J')", CRASH
    ),
    _function(
        "starts two hundred processes that wait",
        f"""
        for _ in range(200):
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
        {SPREAD}
        """,
        VALID,
    ),
    _function(
        "starts a process that leaves its group",
        f"""
        if os.fork() == 0:
            os.setsid()
            os.execv("/bin/sleep", ["sleep", "60.25"])
        {SPREAD}
        """,
        VALID,
    ),
    # -- the process around it
    _function(
        "replaces the built-in functions",
        f"for name in ('sum', 'max', 'len', 'open'): setattr(builtins, name, None)\n{SPREAD}",
        VALID,
    ),
    _function(
        "replaces what reports",
        f"""
        child = sys.modules["__main__"]
        child._PlaceCase = child._plain = child._gpu_id = None
        child._BenchmarkCase.described = lambda self, result, budget: {{
            "changed": [], "entries": 6, "kept": True, "gpus": [[0, [0]]]}}
        {SPREAD}
        """,
        DROPPED,
    ),
    _function(
        "reads the optimum from the frames above",
        f"assert 'bound' not in repr([f for f in sys._current_frames().values()]); {SPREAD}",
        VALID,
    ),
    _function(
        "breaks JSON",
        f"json.loads = json.dumps = json.JSONEncoder.encode = None; {SPREAD}",
        VALID,
        CRASH,
    ),
    # -- the contract of this package
    _place("answers by name", BY_NAME, VALID),
    _place("answers nothing", "return None", NONE),
    _place("answers with a list", "return [1, 2]", NONE, slow=True),
    _place(
        "names a GPU that does not exist",
        "return {m.name: 'gpu9' for m in instance.models}",
        FOREIGN_GPU,
    ),
    _place(
        "answers with numbers",
        "return {m.name: 0 for m in instance.models}",
        FOREIGN_GPU,
        slow=True,
    ),
    _place(
        "drops all but one model", "return {instance.models[0].name: 'gpu0'}", DROPPED, slow=True
    ),
    _place(
        "changes the fleet that it is given",
        """
        for model in instance.models:
            object.__setattr__(model, "size", 0)
        return {model.name: "gpu0" for model in instance.models}
        """,
        OVERFULL,
    ),
    _place(
        "answers with a mapping without end",
        """
        from collections.abc import Mapping
        class Endless(Mapping):
            def __len__(self): return 1
            def __iter__(self):
                n = 0
                while True:
                    yield f"model_{n}"
                    n += 1
            def __getitem__(self, key): return "gpu0"
        return Endless()
        """,
        NONE,
        slow=True,
    ),
    # -- executables
    _script(
        "writes a GPU that is nested without end",
        "print('{\"model_0\": ' + '[' * 900 + ']' * 900 + '}')",
        _problems(Problem.DROPPED, Problem.FOREIGN_GPU),
    ),
    _script("writes JSON that is nested without end", "print('[' * 1_000_000)", NONE),
    _script(
        "writes half of a surrogate pair",
        'print(\'{"\\\\ud800": "\\\\udfff"}\')',
        _problems(Problem.DROPPED, Problem.FOREIGN_MODEL, Problem.FOREIGN_GPU),
    ),
    _script(
        "writes a number of ten thousand digits",
        "print('{\"model_0\": ' + '9' * 10_000 + '}')",
        NONE,
        _problems(Problem.DROPPED, Problem.FOREIGN_GPU),
    ),
    _script(
        "writes not a number",
        "print('{\"model_0\": NaN}')",
        _problems(Problem.DROPPED, Problem.FOREIGN_GPU),
    ),
    _script("writes more than is read", "sys.stdout.write('x' * 50_000_000)", CRASH),
    _script("writes bytes that are no text", "os.write(1, b'\\xff\\xfe\\x00')", NONE),
    _script(
        "replaces its fleet by a pipe",
        f"os.remove(sys.argv[1]); os.mkfifo(sys.argv[1]); {ALTERNATE}",
        MUTATED,
    ),
    _script(
        "says fifteen megabytes when it fails",
        "sys.stderr.write('\\x1b[2J|' * 3_000_000); sys.exit(1)",
        CRASH,
        slow=True,
    ),
    _script(
        "keeps its output open in a child",
        f"""
        {ALTERNATE}
        sys.stdout.flush()
        if os.fork() == 0:
            import time
            time.sleep(60)
        os._exit(0)
        """,
        VALID,
    ),
)
