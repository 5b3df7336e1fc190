"""Makes the workers of a Django program use the databases that the program uses.

A worker reads the settings of the project itself. But a test runner gives the program
other databases than those of the settings, and a worker that followed the settings
would work on the real ones. So each worker is told, when it starts, what the program
has in ``connections.settings``, and uses that instead. If no other process can see a
database, a task that opens it in a worker gets an error.

Nothing here imports Django. If nothing has loaded it, all of this is one look into a
dictionary.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from importlib import util
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast

from cotality._kit.imported import imported
from cotality._kit.records import NamedTuple, dataclass
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.pickling.encode import decode, encode
from cotality.core.utils._process.starting.django_setup import settings_of_program

IN_MEMORY = (
    "the test database {alias!r} is in the memory of the program, where no worker can "
    "see it. Give it a file, DATABASES[{alias!r}]['TEST'] = {{'NAME': "
    "'test.sqlite3'}}, or run this call with inline=True."
)
IN_TRANSACTION = (
    "this test keeps its changes to the database {alias!r} in a transaction, which no "
    "worker can see. Make it a django.test.TransactionTestCase (with pytest-django "
    "mark it django_db(transaction=True)), or run this call with inline=True."
)
OF_OTHERS = (
    "the workers of this pool were started while the program used other databases "
    "(those it uses: {now}; those of the workers: {then}), and would work on those. "
    "Make the pool anew, in the test that uses it, or use a PoolManager, which "
    "replaces such workers."
)

Settings = dict[str, Any]  # Any: of one database, as Django has them


class Database(NamedTuple):
    """One database that the program uses.

    Attributes:
        out_of_reach: Why no other process can see what the program sees; mostly empty.
    """

    alias: str
    engine: object
    name: object
    host: object
    port: object
    out_of_reach: str = ""


class Databases(NamedTuple):
    """The databases of the program at one moment."""

    in_tests: bool
    each: tuple[Database, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What a worker is told of them.

    Attributes:
        settings: For each alias its settings, packed: they may name classes that only
            a worker that uses Django has to import. None if the program has not asked
            for any.
        out_of_reach: For each alias that no worker can use the reason.
        set_up: The settings to set Django up with, see `django_setup`; None if the
            program has not.
    """

    settings: bytes | None
    out_of_reach: dict[str, str]
    set_up: str | None = None


# In the program.


def current() -> Databases | None:
    """The databases of the program now; None if it has not asked Django for any."""
    found = settings_in_use()
    if found is None:
        return None
    in_tests = tests_are_running()
    places = (place_of(alias, each, in_tests) for alias, each in list(found.items()))
    return Databases(in_tests, tuple(places))


def settings_in_use() -> dict[str, Settings] | None:
    django_db: Any = sys.modules.get("django.db")  # Any: not a dependency
    connections = getattr(django_db, "connections", None)
    if connections is None:
        return None
    # A cached property: a look at it would read settings that may not be there yet.
    read = cast("dict[str, dict[str, Settings]]", vars(connections))
    return read.get("settings")


def tests_are_running() -> bool:
    """Whether the program was prepared by a test runner of Django or pytest-django."""
    test_utils = sys.modules.get("django.test.utils")
    return hasattr(getattr(test_utils, "_TestState", None), "saved_data")


def place_of(alias: str, settings: Settings, in_tests: bool) -> Database:
    name = settings.get("NAME")
    reason = ""
    if in_tests and is_in_memory(name):
        reason = IN_MEMORY
    elif in_tests and is_in_transaction_of_test(alias):
        reason = IN_TRANSACTION
    return Database(
        alias,
        settings.get("ENGINE"),
        name,
        settings.get("HOST"),
        settings.get("PORT"),
        reason.format(alias=alias),
    )


def is_in_memory(name: object) -> bool:
    return isinstance(name, str) and (name == ":memory:" or "mode=memory" in name)


def is_in_transaction_of_test(alias: str) -> bool:
    """Whether a test that will be rolled back has begun a transaction on *alias*."""
    connections: Any = sys.modules["django.db"].connections  # Any: not a dependency
    connection = getattr(connections._connections, alias, None)  # of this thread
    blocks = getattr(connection, "atomic_blocks", ())
    if any(getattr(each, "_from_testcase", False) for each in blocks):
        return True
    return any(alias in getattr(each, "cls_atomics", ()) for each in running_tests())


def running_tests() -> Iterator[type]:
    """The classes of tests that other threads run.

    A view that is awaited, or that a server of the test runs, has connections of its
    own; the transaction is open in the thread of the test.
    """
    testcases = imported("django.test.testcases")
    unittest = imported("unittest.case")
    if testcases is None or unittest is None:
        return
    run = unittest.TestCase.run.__code__
    here = threading.get_ident()
    for thread, frame in sys._current_frames().items():  # pyright: ignore[reportPrivateUsage]  # nothing else tells what they run
        each = None if thread == here else frame
        while each is not None:
            if each.f_code is run:
                test = each.f_locals.get("self")
                if isinstance(test, testcases.TestCase):
                    yield type(test)
            each = each.f_back


def check(then: Databases | None, now: Databases | None) -> None:
    """Refuse workers of *then*.

    Raises:
        RuntimeError: The program has others *now*, and one of both is for tests.
    """
    if is_wrong(then, now):
        raise RuntimeError(OF_OTHERS.format(now=in_words(now), then=in_words(then)))


def is_wrong(then: Databases | None, now: Databases | None) -> bool:
    """Whether nobody may use workers of *then*, in tests or after them."""
    in_tests = any(each is not None and each.in_tests for each in (then, now))
    return in_tests and then != now


def in_words(databases: Databases | None) -> str:
    if databases is None:
        return "those of the settings"
    words = [f"{p.alias}={p.name}" for p in databases.each]
    return ", ".join(words) + (", in tests" if databases.in_tests else "")


def tell(now: Databases | None) -> Told | None:
    set_up = settings_of_program()
    if now is None:
        return None if set_up is None else Told(None, {}, set_up)
    settings = {
        alias: sendable(each) for alias, each in (settings_in_use() or {}).items()
    }
    reasons = {p.alias: p.out_of_reach for p in now.each if p.out_of_reach}
    return Told(encode(settings), reasons, set_up)


def sendable(settings: Settings) -> Settings:
    """*settings* without what cannot travel, of which the worker has its own."""
    return {name: value for name, value in settings.items() if can_travel(value)}


def can_travel(value: object) -> bool:
    try:
        encode(value)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return False
    return True


# In a worker.


def adopt(told: Told) -> None:
    """Put what the program uses over what Django reads here, now or when it comes."""
    if told.settings is None:
        return
    module = sys.modules.get("django.db.utils")
    if module is None:
        sys.meta_path.insert(0, WhenImported("django.db.utils", told))
    else:
        change(module, told)


class WhenImported:
    """Sees a module come, and changes it."""

    def __init__(self, name: str, told: Told) -> None:
        self.name = name
        self.told = told
        self.loader: Any = None  # Any: of any kind

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = util.find_spec(name)
        if spec is not None:
            found: Any = spec  # Any: a loader needs only those methods that are called
            self.loader, found.loader = found.loader, self
        return spec

    # What a loader has to have.

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self.loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.loader  # from here on nobody sees a difference
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        change(module, self.told)


def change(module: Any, told: Told) -> None:  # Any: django.db.utils
    handler = module.ConnectionHandler
    configure, create = handler.configure_settings, handler.create_connection

    def configured(self: Any, databases: Any) -> Any:  # Any: as Django has them
        found = configure(self, databases)
        if databases is None and told.settings is not None:  # those of the project
            for alias, settings in decode(told.settings).items():
                found.setdefault(alias, {}).update(settings)
        return found

    def created(self: Any, alias: str) -> Any:  # Any: a connection of Django's
        connection = create(self, alias)
        reason = told.out_of_reach.get(alias)
        if reason is not None:
            # Not earlier: a connection that nobody opens is part of loading models.
            connection.get_new_connection = refusal(reason)
        return connection

    handler.configure_settings, handler.create_connection = configured, created


def refusal(reason: str) -> Any:  # Any: takes what it stands for
    def refuse(*_: object) -> None:
        raise RuntimeError(reason)

    return refuse
