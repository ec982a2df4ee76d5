"""Laws read in parts: what they say, by the definition, and that no table is copied."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from dlm_core._laws import Laws, pick
from dlm_core.estimation import estimate_profile
from dlm_core.sampler import generate
from dlm_core.schedules import Equal

torch.set_num_threads(1)

PRECISIONS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def by_definition(logs, mask_id, temperature, uniforms, symbols):
    """All that laws say, from whole tables in float64."""
    logs = logs.double()
    logs[:, mask_id : mask_id + 1] = -torch.inf
    above = logs - logs.amax(1, keepdim=True)
    weights = (above == 0).double() if temperature == 0 else (above / temperature).exp()
    drawn = pick(weights, uniforms)
    chances = (weights.gather(1, drawn[:, None])[:, 0] / weights.sum(1)).log()
    laws = logs.log_softmax(1)
    found = laws.gather(1, symbols[:, None])[:, 0]
    return drawn, chances, laws.amax(1), found, torch.special.entr(logs.softmax(1)).sum(1)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_laws_by_the_definition_however_they_are_cut(data):
    m, q = data.draw(st.integers(1, 9)), data.draw(st.integers(2, 40))
    mask_id = data.draw(st.sampled_from([0, q // 2, q - 1, q, q + 5]))
    precision = data.draw(st.sampled_from(PRECISIONS))
    temperature = data.draw(st.sampled_from([0, 0.5, 1, 2.0]))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    # few values, so that there are ties; some impossible, never a whole row
    table = torch.from_numpy(rng.integers(-3, 3, (m, q)) + 30.0 * rng.integers(-2, 2, (m, 1)))
    table[torch.from_numpy(rng.random((m, q)) < 0.3)] = -torch.inf
    table[torch.arange(m), (mask_id + 1 + torch.from_numpy(rng.integers(0, q - 1, m))) % q] = 1.0
    if mask_id >= q:
        table[:, 0] = 1.0
    table = table.to(precision)
    if data.draw(st.booleans()):
        table = table[:1].expand(m, -1)
    uniforms = torch.from_numpy(rng.random(m))
    symbols = torch.from_numpy(rng.integers(0, q, m))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dlm_core._laws._CHUNK", {"cpu": data.draw(st.sampled_from([1, 50, 2**18]))})
        before, laws = table.clone(), Laws(table, mask_id)
        rows = torch.from_numpy(np.flatnonzero(rng.random(m) < 0.7))
        for chosen, some in [(slice(None), laws), *[(rows, laws[rows])] * bool(len(rows))]:
            expected = by_definition(
                table[chosen].clone(), mask_id, temperature, uniforms[chosen], symbols[chosen]
            )
            drawn, chances = some.draw(uniforms[chosen], temperature)
            assert drawn.equal(expected[0]) and chances.equal(expected[1])
            sure = some.confidence()
            torch.testing.assert_close(sure, expected[2], rtol=1e-5, atol=1e-6)
            shown = symbols[chosen] != mask_id
            found = some.log_probability(symbols[chosen])
            torch.testing.assert_close(found[shown], expected[3][shown], rtol=1e-13, atol=1e-13)
            assert some.entry(symbols[chosen]).equal(
                table[chosen].double().gather(1, symbols[chosen, None])[:, 0]
            )
            torch.testing.assert_close(some.entropy(), expected[4], rtol=1e-13, atol=1e-13)
    assert table.equal(before)


@pytest.mark.parametrize("precision", PRECISIONS[1:])
def test_confidence_tells_sure_positions_apart(precision):
    """Up to the precision of float64, where a probability in float32 is 1 from a gap of 17 on."""
    gaps = torch.arange(2, 31, dtype=torch.float64)
    logs = torch.zeros(len(gaps), 50)
    logs[:, 7] = gaps
    found = Laws(logs.to(precision), 50).confidence()
    assert (found[1:] > found[:-1]).all() and found[-1] < 0
    torch.testing.assert_close(found, -torch.log1p(49 * (-gaps).exp()), rtol=1e-2, atol=0)


def test_sure_positions_come_in_the_order_of_their_confidence():
    gaps = np.random.default_rng(0).permutation(np.arange(12, 28))
    logs = torch.zeros(16, 50)
    logs[:, 7] = torch.from_numpy(gaps)

    def predictor(tokens, reveal):
        return logs[reveal.nonzero()[:, 1]]

    made = generate(predictor, Equal(16, 16), 2, order="confidence", mask_id=50)
    assert (made.order == np.argsort(-gaps)).all()


class Largest(TorchDispatchMode):
    """Keeps the bytes of the largest storage that an operation returns, but for the predictor's."""

    bytes, asleep = 0, False

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        results = function(*arguments, **(named or {}))
        if not self.asleep:
            given = {a.untyped_storage().data_ptr() for a in arguments if torch.is_tensor(a)}
            for result in results if isinstance(results, tuple | list) else [results]:
                if torch.is_tensor(result) and result.untyped_storage().data_ptr() not in given:
                    self.bytes = max(self.bytes, result.untyped_storage().nbytes())
        return results


@pytest.mark.parametrize("mask_id", [500, 1000])
@pytest.mark.parametrize("order", ["random", "confidence", "profile", "entropies"])
def test_no_table_is_copied(order, mask_id, monkeypatch):
    """What a pass allocates is of the size of a part, however many rows the predictor returns."""
    monkeypatch.setattr("dlm_core._laws._CHUNK", {"cpu": 2**12})
    table = torch.randn(400, 1000, generator=torch.Generator().manual_seed(0))

    def predictor(tokens, reveal):
        mode.asleep = True
        logs = table[: int(reveal.sum())]
        mode.asleep = False
        return logs

    with Largest() as mode:
        if order in ("random", "confidence"):
            generate(predictor, Equal(40, 1), 10, order=order, mask_id=mask_id)
        else:
            tokens = torch.zeros(2, 20, dtype=torch.int64)
            perfect = order == "entropies"
            estimate_profile(predictor, tokens, 0, mask_id=mask_id, perfect=perfect, batch=50)
    assert 0 < mode.bytes <= 8 * 2**12
