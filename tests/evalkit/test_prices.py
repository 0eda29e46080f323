"""Nothing is paid for unless a cap allows all of it, and a plan says what it would cost."""

from __future__ import annotations

import pytest

from evalkit import catalogue, prices
from evalkit.engine import Local
from evalkit.errors import SpecError
from evalkit.generate import generate, open_or_create

FLASH = catalogue.entry("sd3.5-flash-api")
SKETCH = catalogue.entry("sketch-exact")
ABOUT = {e.name: e.about for e in (FLASH, SKETCH)}


def test_only_services_cost():
    found = prices.costs([FLASH.spec, SKETCH.spec], ABOUT, {FLASH.name: 2212, SKETCH.name: 2212})
    assert found == {FLASH.name: pytest.approx(55.30)}


@pytest.mark.parametrize("about", [{}, {FLASH.name: SKETCH.about}])
def test_a_service_without_a_price_is_refused(about):
    with pytest.raises(SpecError, match="states no price"):
        prices.costs([FLASH.spec], about, {FLASH.name: 1})


@pytest.mark.parametrize("cap", [None, 0.0, 55.29, float("nan"), -1.0])
def test_a_cap_that_is_too_low(cap):
    with pytest.raises(SpecError, match=r"about 55\.30 dollars.*Give --max-cost 55\.30"):
        prices.check({"it": 2212 * 0.025}, cap)


@pytest.mark.parametrize("pictures", [1, 3, 7, 2212, 26544])
@pytest.mark.parametrize("price", [0.025, 0.0371, 0.1])
def test_the_cap_that_is_offered_is_enough(pictures, price):
    total = pictures * price
    with pytest.raises(SpecError) as raised:
        prices.check({"it": total}, None)
    offered = float(str(raised.value).partition("--max-cost ")[2].partition("Give --max-cost ")[2]
                    .partition(",")[0])  # fmt: skip
    prices.check({"it": total}, offered)
    assert offered < total + 0.011


def test_what_is_free_needs_no_cap():
    prices.check({}, None)
    prices.check({"it": 0.0}, None)


def test_nothing_is_asked_before_the_cap_is_checked(tmp_path, suite):
    run = open_or_create(tmp_path / "paid", suite, [FLASH.spec], [0], ABOUT)
    with pytest.raises(SpecError, match=r"about 0\.15 dollars, and no --max-cost allows it"):
        generate(run, Local())
    with pytest.raises(SpecError, match=r"about 0\.05 dollars, and --max-cost is 0\.04"):
        generate(run, Local(), limit=2, max_cost=0.04)
    assert run.generations() == []
