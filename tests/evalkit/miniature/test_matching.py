import numpy as np

from evalkit.miniature.matching import compare, overlap
from evalkit.scorers.detection import Detection


def square(x, y, size=10):
    mask = np.zeros((40, 40), bool)
    mask[y : y + size, x : x + size] = True
    return mask


def seen(mask, score):
    return Detection((0, 0, 1, 1), score, mask)


LEFT, RIGHT = square(0, 0), square(20, 0)


def test_a_perfect_detector_is_perfect():
    found = {"cup": [seen(RIGHT, 0.95), seen(LEFT, 0.99)]}
    case = compare(found, ["cup", "cup"], [LEFT, RIGHT])
    assert case.hits == case.likely_hits == (True, True)
    assert case.counts == {2: (True,)}
    assert case.exact
    assert case.nothing_extra


def test_a_duplicate_is_no_second_object():
    found = {"cup": [seen(LEFT, 0.99), seen(LEFT, 0.95)]}
    case = compare(found, ["cup", "cup"], [LEFT, RIGHT])
    assert case.hits == (True, False)
    alone = compare(found, ["cup"], [LEFT])
    assert not alone.exact
    assert not alone.nothing_extra
    assert alone.counts == {1: (False,)}


def test_thresholds_are_geneval_s():
    case = compare({"cup": [seen(LEFT, 0.6)]}, ["cup"], [LEFT])
    assert case.hits == (False,)
    assert case.likely_hits == (True,)
    assert not case.exact
    assert case.nothing_extra
    faint = compare({"cup": [seen(LEFT, 0.3)]}, ["cup"], [LEFT])
    assert faint.likely_hits == (False,)


def test_a_second_class_on_the_same_object_is_extra():
    case = compare({"cup": [seen(LEFT, 0.95)], "kite": [seen(LEFT, 0.4)]}, ["cup"], [LEFT])
    assert case.exact
    assert not case.nothing_extra


def test_an_object_in_the_wrong_place_or_class_is_not_found():
    assert compare({"cup": [seen(RIGHT, 0.99)]}, ["cup"], [LEFT]).hits == (False,)
    assert compare({"kite": [seen(LEFT, 0.99)]}, ["cup"], [LEFT]).hits == (False,)
    assert compare({"cup": [seen(None, 0.99)]}, ["cup"], [LEFT]).hits == (False,)


def test_nothing_found_where_nothing_is():
    case = compare({}, [], [])
    assert case.exact
    assert case.nothing_extra
    assert case.hits == ()


def test_overlap():
    assert overlap(LEFT, LEFT) == 1
    assert overlap(LEFT, RIGHT) == 0
    assert overlap(None, LEFT) == 0
    assert overlap(square(0, 0, 0), square(0, 0, 0)) == 0
    assert overlap(square(0, 0), square(5, 0)) == 50 / 150
