"""scikit-learn's ``n_jobs`` runs on our workers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cotality.core.utils.process import WorkerCrashedError
from cotality.joblib import CotalityBackend, register
from tests.kit.helpers import Marks

joblib = pytest.importorskip("joblib")
pytest.importorskip("sklearn")

from sklearn.base import BaseEstimator, ClassifierMixin  # noqa: E402
from sklearn.datasets import make_classification  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402

pytestmark = pytest.mark.one_python

DATA, TARGET = make_classification(600, 20, random_state=0)


@pytest.fixture(autouse=True)
def ours(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many batches went to our workers."""
    batches: list[int] = []
    submit = CotalityBackend.submit

    def noting(self: CotalityBackend, *given: Any, **named: Any) -> Any:
        batches.append(1)
        return submit(self, *given, **named)

    monkeypatch.setattr(CotalityBackend, "submit", noting)
    register()
    with joblib.parallel_config("cotality"):
        yield batches


class Deadly(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # without types
    """Ends its process when it is fitted with a certain parameter."""

    def __init__(self, depth: int = 1) -> None:
        self.depth = depth

    def fit(self, X: Any, y: Any) -> Deadly:  # noqa: N803  # as scikit-learn has it
        if self.depth == 3:
            os._exit(9)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803  # as above
        return np.zeros(len(X), int)


class Counted(DecisionTreeClassifier):  # type: ignore[misc]  # as above
    """Says in which processes it is fitted."""

    def __init__(self, marks: Any = None, max_depth: int | None = None) -> None:
        super().__init__(max_depth=max_depth, random_state=0)
        self.marks = marks

    def fit(self, X: Any, y: Any, **named: Any) -> Any:  # noqa: N803  # as above
        self.marks.leave(os.getpid())
        return super().fit(X, y, **named)


@pytest.mark.warm
def test_cross_validation_gives_what_a_loop_gives(ours: list[int]) -> None:
    """On all CPUs, and on two workers."""
    tree = DecisionTreeClassifier(random_state=0)
    expected = cross_val_score(tree, DATA, TARGET, cv=6)

    assert not ours
    for jobs in (2, -1):
        found = cross_val_score(tree, DATA, TARGET, cv=6, n_jobs=jobs)
        assert found.tolist() == expected.tolist()
    assert ours


@pytest.mark.warm
def test_a_grid_is_searched_on_our_workers(ours: list[int], marks: Marks) -> None:
    """With the same results as in a loop."""
    grid = {"max_depth": [1, 2, 3, None]}
    expected = GridSearchCV(DecisionTreeClassifier(random_state=0), grid, cv=4)
    expected.fit(DATA, TARGET)

    found = GridSearchCV(Counted(marks), grid, cv=4, n_jobs=2, refit=False)
    found.fit(DATA, TARGET)

    name = "mean_test_score"
    assert found.cv_results_[name].tolist() == expected.cv_results_[name].tolist()
    assert found.best_params_ == expected.best_params_
    assert len(ours) > 1
    assert f"{os.getpid()}" not in marks.names()


@pytest.mark.warm
def test_a_forest_grows_on_our_workers(ours: list[int]) -> None:
    """And is the same; its trees, with their arrays, come back."""
    expected = RandomForestClassifier(20, random_state=0).fit(DATA, TARGET)

    found = RandomForestClassifier(20, random_state=0, n_jobs=2).fit(DATA, TARGET)

    assert ours
    probabilities = expected.predict_proba(DATA)
    assert np.array_equal(found.predict_proba(DATA), probabilities)
    found.estimators_[0].tree_.value[:] = 0  # they are ours to change


@pytest.mark.warm
def test_what_uses_workers_inside_of_workers_does_not_multiply() -> None:
    """A search over forests that want two workers each."""
    forest = RandomForestClassifier(5, random_state=0, n_jobs=2)
    grid = {"max_depth": [2, 4]}
    expected = GridSearchCV(forest, grid, cv=3).fit(DATA, TARGET)

    found = GridSearchCV(forest, grid, cv=3, n_jobs=2).fit(DATA, TARGET)

    assert found.best_score_ == expected.best_score_


@pytest.mark.warm
def test_settings_of_scikit_learn_travel() -> None:
    """As they do with joblib's own workers."""
    from sklearn import config_context, get_config
    from sklearn.utils.parallel import Parallel, delayed

    with config_context(working_memory=77):
        found = Parallel(n_jobs=2)(delayed(get_config)() for _ in range(4))

    assert [each["working_memory"] for each in found] == [77] * 4


def test_a_crash_is_one_error_that_names_the_task() -> None:
    """And the search after it works."""
    search = GridSearchCV(Deadly(), {"depth": [1, 2, 3, 4]}, cv=2, n_jobs=2)

    with pytest.raises(WorkerCrashedError, match="exit code 9") as caught:
        search.fit(DATA, TARGET)

    (note,) = caught.value.__notes__
    assert note.startswith(("Raised by task 4: _fit_and_score(", "Raised by task 5: "))
    assert "depth=3" in note or "Deadly" in note
    again = GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2, n_jobs=2)
    assert again.fit(DATA, TARGET).best_score_ > 0.5


@pytest.mark.warm
def test_tasks_of_one_call_share_what_they_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """scikit-learn wraps the function anew for each; it is packed once."""
    from cotality.joblib._joblib import alike

    packed: list[Any] = []
    pack = alike.packed

    def noting(function: Any) -> Any:
        packed.append(pack(function))
        return packed[-1]

    monkeypatch.setattr(alike, "packed", noting)

    cross_val_score(DecisionTreeClassifier(), DATA, TARGET, cv=6, n_jobs=2)

    assert [type(each).__name__ for each in packed] == ["Packed"]
