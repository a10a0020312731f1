"""The S-curve: published values, its laws, and datasketch's bands for a threshold."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from stages.curve import POINTS, bands_for, chance, curve_table, plot, threshold

AT = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
# Bands and rows as published by each project; chances of 1 - (1 - s**r)**b to three places, worked by hand.
PUBLISHED = {
    "FineWeb": (14, 8, (0.053, 0.211, 0.565, 0.772, 0.924, 0.988, 1.00)),
    "NeMo": (20, 13, (0.002, 0.026, 0.177, 0.382, 0.677, 0.924, 0.997)),
    "Marin": (26, 11, (0.013, 0.090, 0.405, 0.674, 0.903, 0.991, 1.00)),
    "RedPajama 0.7": (14, 9, (0.027, 0.132, 0.438, 0.665, 0.867, 0.975, 0.999)),
    "RedPajama 0.8": (9, 13, (0.001, 0.012, 0.084, 0.195, 0.399, 0.686, 0.929)),
    "RedPajama 0.9": (5, 25, (0.000, 0.000, 0.001, 0.004, 0.019, 0.083, 0.311)),
    "DCLM": (93, 15, (0.003, 0.043, 0.358, 0.714, 0.964, 1.00, 1.00)),
    "RefinedWeb": (450, 20, (0.000, 0.016, 0.302, 0.760, 0.995, 1.00, 1.00)),
    "duplodocus": (20, 5, (0.470, 0.802, 0.975, 0.996, 1.00, 1.00, 1.00)),
    "Data-Juicer": (32, 8, (0.118, 0.418, 0.850, 0.966, 0.997, 1.00, 1.00)),
}
sizes = st.integers(1, 500)


@pytest.mark.parametrize("name", PUBLISHED)
def test_chances_of_published_settings(name):
    bands, rows, expected = PUBLISHED[name]
    assert chance(AT, bands, rows).tolist() == pytest.approx(expected, abs=0.0006 if name != "duplodocus" else 0.001)


def test_the_threshold_of_fineweb():
    """datatrove 0.10.1 states (1/14)**(1/8) ~ 0.72."""
    assert threshold(14, 8) == pytest.approx(0.719, abs=0.0005)


@given(sizes, sizes)
def test_the_curve_climbs_from_0_to_1_and_passes_its_threshold_at_two_thirds(bands, rows):
    table = curve_table(bands, rows)
    assert [point for point, _ in table] == list(POINTS)
    assert [share for _, share in table] == sorted(share for _, share in table)
    assert (chance(0.0, bands, rows), chance(1.0, bands, rows)) == (0, 1)
    assert chance(threshold(bands, rows), bands, rows) == pytest.approx(1 - (1 - 1 / bands) ** bands)


@given(st.floats(0.01, 0.99), sizes, sizes)
def test_more_bands_propose_more_and_more_rows_less(similarity, bands, rows):
    assert chance(similarity, bands + 1, rows) >= chance(similarity, bands, rows)
    assert chance(similarity, bands, rows + 1) <= chance(similarity, bands, rows)


@pytest.mark.parametrize("permutations", [48, 112, 128])
@pytest.mark.parametrize("wanted", [0.3, 0.5, 0.75, 0.8, 0.9])
def test_bands_for_a_threshold_are_datasketchs(wanted, permutations):
    datasketch = pytest.importorskip("datasketch")
    theirs = datasketch.MinHashLSH(threshold=wanted, num_perm=permutations)
    assert bands_for(wanted, permutations) == (theirs.b, theirs.r)


def test_one_permutation_makes_one_band():
    assert bands_for(0.8, 1) == (1, 1)


@pytest.mark.parametrize(("wanted", "permutations"), [(0, 10), (1, 10), (-1, 10), (0.8, 0)])
def test_thresholds_and_permutations_that_cannot_be(wanted, permutations):
    with pytest.raises(ValueError, match="between 0 and 1"):
        bands_for(wanted, permutations)


def test_the_plot_shows_every_point_and_a_bar():
    shown = io.StringIO()
    Console(file=shown, width=100).print(plot(14, 8))
    text = shown.getvalue()
    assert "14 bands of 8 rows, threshold 0.719" in text
    for similarity, share in curve_table(14, 8):
        assert f"{similarity:.2f}" in text
        assert f"{share:.3f}" in text
    assert max(line.count("█") for line in text.splitlines()) == 40
