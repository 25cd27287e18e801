"""Work on several threads: order, and failures."""

import threading

import pytest

from kmeans.threads import Threads


@pytest.mark.parametrize("n_items", [0, 1, 2, 7, 200])
def test_results_are_in_the_order_of_the_items(threads: Threads, n_items: int) -> None:
    assert threads.map(lambda item: item * item, range(n_items)) == [item * item for item in range(n_items)]


@pytest.mark.parametrize("n_items", [0, 1, 2, 7, 200])
def test_what_follows_is_done_in_the_order_of_the_items(threads: Threads, n_items: int) -> None:
    found: set[int] = set()
    order: list[int] = []

    def then(item: int) -> None:
        assert item in found
        order.append(item)

    threads.map_in_order(found.add, then, range(n_items))
    assert order == list(range(n_items))


def test_an_item_that_takes_long_holds_up_what_follows_it() -> None:
    threads = Threads(2)
    second_is_done = threading.Event()
    order: list[int] = []

    def function(item: int) -> None:
        if item == 0:
            assert second_is_done.wait(20)
        else:
            second_is_done.set()

    threads.map_in_order(function, order.append, range(2))
    threads.close()
    assert order == [0, 1]


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


@pytest.mark.parametrize("failing", [0, 3, 9])
@pytest.mark.parametrize("late", [False, True])
def test_nothing_follows_a_failure(threads: Threads, failing: int, late: bool) -> None:
    order: list[int] = []

    def fail(item: int) -> None:
        if item == failing:
            raise ValueError(item)

    def then(item: int) -> None:
        if late:
            fail(item)
        order.append(item)

    with pytest.raises(ValueError, match=str(failing)):
        threads.map_in_order((lambda _: None) if late else fail, then, range(10))
    assert order == list(range(len(order)))
    assert len(order) <= failing
    # The threads are still there.
    assert threads.map(str, range(3)) == ["0", "1", "2"]
