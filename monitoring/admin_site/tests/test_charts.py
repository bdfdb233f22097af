import itertools

import pytest

from monitoring.admin_site.charts import HEIGHT, WIDTH, evenly, line, nice_top, stack


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 1), (0.4, 0.5), (1, 1), (1.2, 2), (37, 50), (50, 50), (999, 1000), (4321, 5000)]
)
def test_an_axis_ends_with_a_round_number(highest: float, top: float) -> None:
    assert nice_top(highest) == pytest.approx(top)


def test_a_line_runs_from_left_to_right_and_breaks_where_nothing_was_measured() -> None:
    assert line([0, 100, None, 50], 100) == "M125.0 200.0L375.0 0.0M875.0 100.0h4"


def test_no_values_are_no_line() -> None:
    assert line([None, None], 1) == "" == line([], 1)


def test_a_stack_fills_its_share_of_the_height_from_the_bottom() -> None:
    ((ok, slow, bad),) = stack([(6, 2, 2)], top=20)

    assert (ok.y + ok.height, slow.y + slow.height, bad.y) == (HEIGHT, ok.y, HEIGHT / 2)
    assert ok.height == 60
    assert ok.x > 0 and ok.x + ok.width < WIDTH


@pytest.mark.parametrize("count", [1, 5, 24, 168])
def test_labels_are_few_and_end_with_the_last(count: int) -> None:
    places = evenly(count, 6)

    assert places[-1] == count - 1
    assert len(places) <= 6
    assert len({b - a for a, b in itertools.pairwise(places)}) <= 1
