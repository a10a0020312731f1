"""The unit guard: what looks like billions, or is no number, is refused with what would mend it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.errors import LawError
from scaling.table import LAWS
from scaling.units import as_flops, as_params, as_positive, as_tokens

LAW = LAWS["hoffmann2022_rounded"]


@given(st.floats(1e-3, 9999))
def test_parameters_in_billions_are_refused_with_the_raw_count(billions):
    with pytest.raises(LawError, match=f"write {billions * 1e9:g}".replace("+", r"\+")):
        as_params(billions)


@pytest.mark.parametrize(
    ("params", "tokens", "hint"),
    [(7, 1.4e11, "params .* write 7e\\+09"), (7e9, 140, "tokens .* write 1.4e\\+11"), (0.125, 2.5, "params")],
)
def test_mixed_units_are_refused_by_a_law(params, tokens, hint):
    with pytest.raises(LawError, match=hint):
        LAW.loss(params, tokens)


def test_flops_in_pf_days_are_refused_with_flops():
    with pytest.raises(LawError, match=r"PF-days, write 8\.64e\+22"):
        as_flops(1000)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -7e9, 0, -float("inf")])
@pytest.mark.parametrize("guard", [as_params, as_tokens, as_flops, lambda value: as_positive("price", value)])
def test_what_is_not_finite_and_positive_is_refused(guard, value):
    with pytest.raises(LawError, match="finite number above 0"):
        guard(value)


def test_one_bad_value_in_an_array_is_found_and_named():
    with pytest.raises(LawError, match="params is 13"):
        LAW.loss(np.array([7e9, 13, 7e10]), 1e12)


@pytest.mark.parametrize("value", ["seven", None, [[1e9], [1e9, 1e9]], {}])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(LawError, match=r"must be a number|finite number"):
        as_params(value)


@given(st.floats(1e5, 1e15))
def test_raw_counts_pass_unchanged(count):
    assert as_params(count) == as_tokens(count) == count
