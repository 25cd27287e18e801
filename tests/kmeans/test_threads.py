"""Work on several threads: order, and failures."""

import threading

import pytest

from kmeans.threads import Threads


@pytest.mark.parametrize("n_items", [0, 1, 2, 7, 200])
def test_results_are_in_the_order_of_the_items(threads: Threads, n_items: int) -> None:
    assert threads.map(lambda item: item * item, range(n_items)) == [item * item for item in range(n_items)]


def test_all_threads_are_called_while_the_caller_continues() -> None:
    met, called = threading.Barrier(3), []

    def meet(number: int) -> None:
        called.append(number)
        met.wait(20)

    with Threads(3) as threads:
        join = threads.begin(meet)
        assert 0 not in called
        join()
    assert sorted(called) == [0, 1, 2]


def test_threads_end_with_the_block_that_fails() -> None:
    both = threading.Barrier(2)
    users: list[threading.Thread] = []

    def use(_: int) -> None:
        users.append(threading.current_thread())
        both.wait(20)

    def fail() -> None:
        with Threads(2) as threads:
            threads.map(use, range(2))
            raise ValueError("in the block")

    with pytest.raises(ValueError, match="in the block"):
        fail()
    assert [user for user in users if user.is_alive()] == [threading.current_thread()]


@pytest.mark.parametrize("failing", [0, -1])
def test_a_failure_of_any_thread_is_raised_when_all_have_ended(threads: Threads, failing: int) -> None:
    ended: list[int] = []

    def fail(number: int) -> None:
        if number == failing % threads.count:
            raise ValueError(number)
        ended.append(number)

    join = threads.begin(fail)
    with pytest.raises(ValueError, match=str(failing % threads.count)):
        join()
    assert len(ended) == threads.count - 1
    # The threads are still there.
    assert threads.map(str, range(3)) == ["0", "1", "2"]
