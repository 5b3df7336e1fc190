import pytest
from cotality.core.utils.process import *
from tests.helpers import *
@pytest.mark.parametrize("n", range(20))
def test_a(use_processes, n):
    """x."""
    tasks=[Task(echo,{"value":i}) for i in range(100)]
    assert execute_tasks_in_parallel(tasks,2,use_processes)==list(range(100))
