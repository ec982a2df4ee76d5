"""The examples of the book: the puzzle, the images, and the mixture that is fitted to them."""

import numpy as np
import pytest
import torch
from bookkit.examples import digits, digits_mixture, sudoku_4x4
from bookkit.mixtures import ProductMixture

from dlm_core import InformationProfile
from dlm_core.error import expected_kl
from dlm_core.information import total_correlation
from dlm_core.schedules import (
    Cosine,
    DTCAdaptive,
    Equal,
    Minimax,
    OptimalForProfile,
    TCAdaptive,
)
from dlm_core.testing import check_target

torch.set_num_threads(1)


def test_the_grids_are_all_and_only_the_solved_ones():
    """Found by filling cell after cell, with the rule asked of every pair of cells."""
    clash = [
        (i, j)
        for i in range(16)
        for j in range(i)
        if i // 4 == j // 4 or i % 4 == j % 4 or (i // 8, i % 4 // 2) == (j // 8, j % 4 // 2)
    ]
    grids = [()]
    for cell in range(16):
        others = [j for i, j in clash if i == cell]
        grids = [(*g, s) for g in grids for s in range(4) if all(g[j] != s for j in others)]
    assert sudoku_4x4().dtype == np.int64
    assert sudoku_4x4().tolist() == [list(grid) for grid in grids]
    assert len(grids) == 288


def test_what_schedules_lose_on_the_grids():
    """TC, DTC and the errors at K = 4, from an independent computation."""
    expected = {
        "Equal": 2.23,
        "Cosine": 2.32,
        "TCAdaptive": 6.28,
        "DTCAdaptive": 3.97,
        "Minimax tc": 5.16,
        "Minimax dtc": 2.21,
        "Minimax min": 3.24,
        "OptimalForProfile": 1.56,
    }
    profile = InformationProfile.from_support(sudoku_4x4())
    assert profile.total_correlation == pytest.approx(16.518, abs=5e-4)
    assert profile.dual_total_correlation == pytest.approx(5.663, abs=5e-4)
    schedules = {
        "Equal": Equal(16, 4),
        "Cosine": Cosine(16, 4),
        "TCAdaptive": TCAdaptive(16, 4),
        "DTCAdaptive": DTCAdaptive(16, 4),
        "Minimax tc": Minimax(16, 4, "tc"),
        "Minimax dtc": Minimax(16, 4, "dtc"),
        "Minimax min": Minimax(16, 4, "min"),
        "OptimalForProfile": OptimalForProfile(profile, 4),
    }
    found = {name: expected_kl(schedule, profile) for name, schedule in schedules.items()}
    assert found == pytest.approx(expected, abs=5e-3)


def test_the_images_are_split_and_binary():
    first, others = digits(seed=1)
    assert (first.shape, others.shape) == ((1200, 63), (597, 63))
    assert set(first.unique().tolist()) == {0, 1}
    assert not torch.equal(first, digits(seed=2)[0])
    everything = [torch.cat(digits(seed=s)).sum(0) for s in (1, 2)]
    assert torch.equal(*everything)


def small():
    weights = torch.tensor([1.0, 3.0, 2.0])
    laws = torch.rand(3, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return ProductMixture(weights, laws / laws.sum(2, keepdim=True))


def test_a_mixture_is_a_target():
    check_target(small())


def test_a_mixture_is_the_sum_of_its_products():
    model, table = small(), 0
    for weight, laws in zip([1 / 6, 3 / 6, 2 / 6], model.laws.numpy(), strict=True):
        one = np.ones(())
        for law in laws:
            one = np.multiply.outer(one, law)
        table = table + weight * one
    np.testing.assert_allclose(model.joint(), table, rtol=1e-12)
    assert total_correlation(table) > 0.01


def test_a_fit_finds_two_words():
    words = torch.tensor([[0, 1] * 3, [1, 0] * 3]).repeat(50, 1)
    model = ProductMixture.fit(words, 2, 3)
    assert model.log_prob(words[:2]).exp().sum() > 0.9


def test_the_fitted_mixture_tells_images_from_noise():
    model = digits_mixture(classes=10)
    held_out = digits()[1]
    noise = torch.randint(2, held_out.shape, generator=torch.Generator().manual_seed(0))
    assert model.log_prob(held_out).mean() > model.log_prob(noise).mean() + 40
    assert model.log_prob(held_out).mean() > -63 * np.log(2) + 20


@pytest.mark.parametrize(
    ("weights", "laws"),
    [
        (torch.ones(2), torch.ones(3, 4, 2) / 2),
        (torch.tensor([1.0, 0.0]), torch.ones(2, 4, 2) / 2),
        (torch.ones(2), torch.ones(2, 4, 2)),
        (torch.ones(2), torch.ones(4, 2)),
    ],
)
def test_what_is_no_mixture_is_refused(weights, laws):
    with pytest.raises(ValueError, match="weights|laws"):
        ProductMixture(weights, laws)
