"""The sizes of a run and their steps."""

import pytest

from manualnst.runs.scales import plan, shrunk, work, work_left


def plan_of(height, width, **changes):
    given = dict(steps=100, first_steps=None, count=None, min_size=128, works=lambda factor: True)
    return plan(height, width, cost=lambda height, width: height * width, **given | changes)


def long_sides(scales):
    return [max(scale.height, scale.width) for scale in scales]


def test_from_the_smallest_size_up_by_the_square_root_of_two():
    assert long_sides(plan_of(512, 358)) == [128, 181, 256, 362, 512]
    sides = long_sides(plan_of(600, 601))
    assert (sides[0], sides[-1]) == (128, 601)
    assert all(1.2 < b / a < 1.7 for a, b in zip(sides, sides[1:], strict=False))


@pytest.mark.parametrize("size", [1, 2, 7, 127, 128, 129, 130, 150, 181, 1000])
@pytest.mark.parametrize("count", [None, 1, 2, 3, 10**9])
def test_sizes_rise_and_the_last_is_the_pictures_own(size, count):
    scales = plan_of(size, max(1, size // 3), count=count)
    sides = long_sides(scales)
    assert sides == sorted(set(sides))
    assert (scales[-1].height, scales[-1].width) == (size, max(1, size // 3))
    assert scales[-1].factor == 1
    assert min(sides) >= min(128, size)
    assert sum(scale.steps for scale in scales) == 100
    assert min(scale.steps for scale in scales) >= 1


def test_so_many_sizes_as_are_asked_for():
    assert long_sides(plan_of(300, 512, count=3)) == [128, 256, 512]
    assert long_sides(plan_of(300, 512, count=1)) == [512]
    assert long_sides(plan_of(300, 512, count=2, min_size=400)) == [400, 512]
    assert long_sides(plan_of(300, 512, min_size=600)) == [512]


def test_it_starts_where_the_network_can():
    scales = plan_of(512, 40, works=lambda factor: 40 * factor >= 16)
    assert scales[0].width >= 16
    assert len(scales) < len(plan_of(512, 40))
    assert long_sides(plan_of(512, 512, works=lambda factor: False)) == [512]


def test_with_few_steps_there_are_few_sizes():
    assert [(s.height, s.steps) for s in plan_of(512, 512, steps=2)] == [(362, 1), (512, 1)]
    assert sum(scale.steps for scale in plan_of(512, 512, steps=7)) == 7


def test_the_first_size_may_have_steps_of_its_own():
    def steps_of(side, **changes):
        return [scale.steps for scale in plan_of(side, side, **changes)]

    assert steps_of(512, steps=3000, first_steps=1000) == [1000, 500, 500, 500, 500]
    assert steps_of(512, steps=700, first_steps=500, count=2) == [500, 200]
    assert steps_of(512, steps=700, first_steps=500, count=1) == [700]
    assert steps_of(512, steps=10, first_steps=8) == [8, 1, 1]


def test_every_picture_shrinks_by_the_same_factor():
    scales = plan_of(512, 400)
    assert scales[0].of(512, 400) == (scales[0].height, scales[0].width) == (128, 100)
    assert scales[0].of(256, 100) == (64, 25)
    assert scales[-1].of(77, 33) == (77, 33)
    assert shrunk(10, 1, 0.2) == (2, 1)


def test_the_work_is_counted_in_what_steps_cost():
    scales = plan_of(256, 256, steps=30, count=2)
    assert [(s.pixels, s.steps) for s in scales] == [(128**2, 15), (256**2, 15)]
    assert work(scales) == work_left(scales, 0, 0) == 15 * 5 * 128**2
    assert work_left(scales, 0, 15) == work_left(scales, 1, 0) == 15 * 4 * 128**2
    assert work_left(scales, 1, 14) == 256**2
    assert work_left(scales, 1, 20) == 0
