"""Every option is found: by editors that only read, those that run, and people."""

from __future__ import annotations

import ast
import inspect
import pydoc
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jedi
import pytest

from cotality import tuning
from cotality.core.utils import process
from cotality.core.utils._process.call.options.declared import DEFAULTS, Options
from cotality.core.utils._process.call.options.shown_options import lines_of
from cotality.tuning import DeadLetterQueue, PoolManager
from tests.kit.helpers import environment_of_scripts

ROOT = Path(__file__).parents[2]
STUBS = runpy.run_path(f"{ROOT / 'docs' / 'write_stubs.py'}")

# Options that every function takes whatever else it is given; `replay` has the letters.
USUAL = {
    *("progress", "retries", "timeout", "rate", "report", "journal", "grace"),
    *("memory_limit", "max_failures", "workers", "circuit_breaker", "inline"),
}
PLANS = {"optimize", "validate_optimization"}


def functions_of(module: Any) -> dict[str, Callable[..., Any]]:
    """Those functions of a front door that take options."""
    return {
        f"{module.__name__}.{name}": thing
        for name in module.__all__
        if inspect.isfunction(thing := getattr(module, name))
        and "progress" in inspect.signature(thing).parameters
    }


FUNCTIONS = functions_of(process) | functions_of(tuning)
METHODS = {
    "cotality.core.utils.process.ParallelFunction.map": process.ParallelFunction.map,
    "cotality.tuning.PoolManager.execute": PoolManager.execute,
    "cotality.tuning.PoolManager.execute_async": PoolManager.execute_async,
    "cotality.tuning.DeadLetterQueue.retry": DeadLetterQueue.retry,
}
ALL = FUNCTIONS | METHODS


def parameters(thing: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(thing).parameters)


def usual(name: str) -> set[str]:
    return USUAL - {"workers"} if name.rpartition(".")[2] in PLANS else USUAL


def test_all_functions_that_take_options_are_looked_at() -> None:
    """There are so many of them today."""
    assert len(FUNCTIONS) == 21
    for name, thing in ALL.items():
        assert parameters(thing).keys() >= usual(name), name


# People, and whoever runs the program.


@pytest.mark.parametrize("name", ALL)
def test_a_signature_has_every_option_with_its_default(name: str) -> None:
    """And nothing that swallows what is misspelt."""
    there = parameters(ALL[name])

    assert not [each for each in there.values() if each.kind is each.VAR_KEYWORD]
    for option in there.keys() & Options.__annotations__.keys():
        assert there[option].default == DEFAULTS.get(option)
        assert isinstance(there[option].annotation, str)


@pytest.mark.parametrize("name", ALL)
def test_help_has_a_line_for_each_option(name: str) -> None:
    """As it is declared once, and no longer than a line."""
    shown = pydoc.plain(pydoc.render_doc(ALL[name])).splitlines()
    lines = lines_of(Options.__doc__)

    for option in parameters(ALL[name]).keys() & lines.keys() - {"chunksize", "n_jobs"}:
        said = f"{option}: {lines[option]}"
        assert any(line.strip() == said for line in shown) or option in {
            *("max_workers", "executor", "processes", "use_processes", "chunksize"),
        }, said
    assert max(map(len, (f"        {n}: {t}" for n, t in lines.items()))) <= 88


def test_every_option_is_explained() -> None:
    """By the docstring that everything else is made of."""
    lines = lines_of(Options.__doc__)

    assert lines.keys() == Options.__annotations__.keys()
    assert all(text.endswith(".") and len(text) > 20 for text in lines.values())


@pytest.mark.parametrize("name", ALL)
def test_the_source_of_a_function_is_found(name: str) -> None:
    """What its signature is made of does not stand in the way."""
    source = inspect.getsource(ALL[name])

    assert f"def {name.rpartition('.')[2]}(" in source
    assert "Unpack[" in source


def test_a_prompt_completes_options(tmp_path: Path) -> None:
    """In IPython, which asks the function itself."""
    from tests.kit.helpers import output_of

    program = (
        "from IPython.core.completer import IPCompleter, provisionalcompleter\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "from cotality import pmap\n"
        "from cotality.tuning import execute\n"
        "from cotality.core.utils.process import execute_tasks_in_parallel\n"
        "shell = InteractiveShell.instance()\n"
        "shell.user_ns.update(globals())\n"
        "for name in 'pmap', 'execute', 'execute_tasks_in_parallel':\n"
        "    text = f'{name}(abs, [1], '\n"
        "    with provisionalcompleter():\n"
        "        found = shell.Completer.completions(text, len(text))\n"
        "        print(*sorted(each.text for each in found if '=' in each.text))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(program, "utf-8")
    import sys

    for line in output_of([sys.executable, f"{script}"], tmp_path).splitlines():
        assert {f"{option}=" for option in USUAL} <= set(line.split()), line


# Whoever only reads.


@pytest.mark.one_python
@pytest.mark.parametrize("door", STUBS["DOORS"])
def test_a_stub_is_as_the_source_is(door: str) -> None:
    """``python docs/write_stubs.py`` writes them anew."""
    there = STUBS["path_of"](door).read_text("utf-8")

    assert normal(there) == normal(STUBS["stub_of"](door))


def normal(text: str) -> list[str]:
    """What a stub says, however it is laid out."""
    tree = ast.parse(text)
    for each in ast.walk(tree):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            each.value = "\n".join(
                line.strip() for line in each.value.strip().split("\n")
            )
    imports: list[str] = []
    rest: list[str] = []
    for one in tree.body:
        if isinstance(one, ast.Import | ast.ImportFrom):
            home = getattr(one, "module", "")
            imports += [f"{home} {ast.unparse(name)}" for name in one.names]
        else:
            rest.append(ast.dump(one))
    return [*sorted(imports), *rest]


PROJECT = jedi.Project(
    ROOT, added_sys_path=environment_of_scripts()["PYTHONPATH"].split(":")[:1]
)


def offered(source: str) -> set[str]:
    """What an editor that only reads offers at the end of *source*."""
    lines = source.splitlines()
    script = jedi.Script(
        source,
        path=ROOT / "unwritten.py",
        project=PROJECT,
        environment=jedi.InterpreterEnvironment(),
    )
    found = script.complete(len(lines), len(lines[-1]))
    return {each.name for each in found}


@pytest.mark.one_python
@pytest.mark.parametrize("door", STUBS["DOORS"])
def test_an_editor_finds_every_name(door: str) -> None:
    """Although the module imports none of them itself."""
    names = set(__import__(door, fromlist=["__all__"]).__all__)

    assert names <= offered(f"import {door} as door\ndoor.")


@pytest.mark.one_python
@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_editor_finds_every_option(name: str) -> None:
    """And no other."""
    module, _, function = name.rpartition(".")

    found = offered(f"from {module} import {function}\n{function}([], abs, ")

    there = {each for each in found if each.endswith("=")}
    named = parameters(FUNCTIONS[name])
    keywords = {
        f"{each}="
        for each in named
        if named[each].kind is inspect.Parameter.KEYWORD_ONLY
    }
    assert keywords <= there
    assert there <= {f"{each}=" for each in named}


@pytest.mark.one_python
@pytest.mark.parametrize(
    "source",
    [
        "from cotality.tuning import PoolManager\nPoolManager().execute(abs, [], ",
        "from cotality.tuning import managed_pool\n"
        "with managed_pool() as pool:\n    pool.execute(abs, [], ",
        "from cotality.tuning import DeadLetterQueue\nDeadLetterQueue('x').retry(",
        "from cotality import parallel\n@parallel\ndef f(x): pass\nf.map([], ",
        "from cotality import parallel\n@parallel(",
    ],
)
def test_an_editor_finds_every_option_of_methods(source: str) -> None:
    """Those of objects that functions return included."""
    assert {f"{option}=" for option in USUAL} <= offered(source)
