"""Numbers as text."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from container.serving.codecs import text

NUMBERS = st.floats(min_value=0, width=32, allow_infinity=False) | st.integers(0, 1 << 20).map(float)


@settings(max_examples=30, deadline=None)
@given(numbers=st.lists(NUMBERS, min_size=1, max_size=20), labels=st.integers(0, 3))
def test_an_answer_is_written_alike_by_python_and_by_pyarrow(numbers: list[float], labels: int) -> None:
    few = {
        "closest_cluster": np.full(len(numbers), labels),
        "distance_to_cluster": np.array(numbers, np.float32),
        "top_distances": np.array([[number, 0.5] for number in numbers], np.float32),
    }
    repeats = 64 // len(numbers) + 1
    many = {name: np.concatenate([values] * repeats) for name, values in few.items()}
    assert text.csv_lines(many) == text.csv_lines(few) * repeats
    assert text.json_objects(many, "\n") == text.json_objects(few, "\n") * repeats
