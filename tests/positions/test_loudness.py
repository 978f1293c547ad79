"""Loudness: the RMS of position vectors over that of token vectors at the start."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from embedlab import positions
from embedlab.config.errors import UserError
from embedlab.config.tree import Config
from embedlab.model.embeddings import LanguageModel
from embedlab.positions import build
from embedlab.positions.config import Shape
from embedlab.positions.sinusoidal import sinusoids
from embedlab.positions.site import square

V, D, L = 300, 64, 32
SIZES = (f"model.embedding_dim={D}", f"data.context_length={L}")
SHAPE = {"embedding_dim": D, "n_heads": 4, "n_layers": 1, "context_length": L}
TOKENS = Shape(D, 4, 1, L, token_rms=0.02)
PAPERS = {"sinusoidal": 0.5**0.5, "scaled_sinusoidal": 0.5, "learned": 0.5}
every_input_scheme = pytest.mark.parametrize("name", PAPERS)


def rms(vectors: Tensor) -> float:
    return float(vectors.detach().double().square().mean().sqrt())


def loudness(model: LanguageModel) -> float:
    added = model.scheme.embed(torch.zeros(1, L, D), square(torch.arange(L)))[0]
    return rms(added) / rms(model.tokens.weight)


def close_to(expected: float, name: str) -> object:
    """Learned vectors are L·D normal numbers, so their RMS has a standard error of 1.6 %; waves have none."""
    return pytest.approx(expected, rel=0.07 if "learned" in name else 1e-5)


def test_these_are_all_schemes_that_add_to_the_input() -> None:
    assert {name for name in positions.names() if "embed" in build(name, **SHAPE).hooks()} == set(PAPERS)


@pytest.mark.parametrize("init_std", [0.002, 0.02, 1.0])
@pytest.mark.parametrize("head", ["attention", "linear"])
@every_input_scheme
def test_the_papers_ratio_whatever_the_size_of_the_tokens(
    make_config: Callable[..., Config], name: str, head: str, init_std: float
) -> None:
    config = make_config(f"model={head}", *SIZES, f"model.init_std={init_std}", f"position={name}")
    assert loudness(LanguageModel(config, V)) == close_to(PAPERS[name], name)


@pytest.mark.parametrize("given", [0.03, 3.0])
@every_input_scheme
def test_the_setting_is_the_ratio(make_config: Callable[..., Config], name: str, given: float) -> None:
    config = make_config(*SIZES, f"position={name}", f"position.loudness={given}")
    assert loudness(LanguageModel(config, V)) == close_to(given, name)


@every_input_scheme
def test_beside_a_table_trained_elsewhere(make_config: Callable[..., Config], name: str) -> None:
    table = torch.randn(V, D, generator=torch.Generator().manual_seed(0)) * 3
    model = LanguageModel(make_config(*SIZES, f"position={name}"), V, table)
    assert torch.equal(model.tokens.weight, table)
    assert loudness(model) == close_to(PAPERS[name], name)


@pytest.mark.parametrize("outer", ["randomized", "drop_after", "per_layer"])
@every_input_scheme
def test_inside_other_schemes(make_config: Callable[..., Config], name: str, outer: str) -> None:
    inner = f"{{name: {name}, loudness: 2.0}}"
    given = f"position.schemes=[{inner}]" if outer == "per_layer" else f"position.inner={inner}"
    model = LanguageModel(make_config(*SIZES, f"position={outer}", given), V).eval()
    # randomized has more positions than L, over which the mean is taken
    assert loudness(model) == pytest.approx(2, rel=0.07)


@pytest.mark.parametrize("width", [1, 3, 64])
@pytest.mark.parametrize("window", [1, 5])
def test_odd_widths_and_a_single_position(width: int, window: int) -> None:
    """With width 1 the only wave is a sine, and position 0 has none to scale."""
    scheme = build("sinusoidal", embedding_dim=width, n_heads=1, n_layers=1, context_length=window, token_rms=0.02)
    table = scheme.table()
    assert table is not None
    expected = 0.0 if (width, window) == (1, 1) else 0.5**0.5 * 0.02
    assert rms(table) == pytest.approx(expected, rel=1e-5)


def test_alone_a_scheme_has_the_size_of_its_source() -> None:
    waves = sinusoids(torch.arange(L), D, 10_000.0)
    assert torch.equal(build("sinusoidal", **SHAPE).table(), waves)
    torch.testing.assert_close(build("scaled_sinusoidal", **SHAPE).table(), waves * D**-0.5)
    assert rms(build("learned", **SHAPE).table()) == pytest.approx(0.01, rel=0.07)  # GPT-2's


def test_tokens_of_size_zero_have_no_ratio(make_config: Callable[..., Config]) -> None:
    model = LanguageModel(make_config(*SIZES, "model.init_std=0", "position=sinusoidal"), V)
    assert torch.equal(model.scheme.table(), sinusoids(torch.arange(L), D, 10_000.0))


def test_the_size_of_the_waves_is_saved_with_the_weights(make_config: Callable[..., Config]) -> None:
    """It belongs to the table that training began with, and a model that is loaded starts from another."""
    config = make_config(*SIZES, "position=sinusoidal")
    trained = LanguageModel(config, V, torch.full((V, D), 5.0))
    loaded = LanguageModel(config, V)
    loaded.load_state_dict(trained.state_dict())
    assert torch.equal(loaded.scheme.table(), trained.scheme.table())


def test_weights_of_version_0_2_0_get_whole_waves(make_config: Callable[..., Config]) -> None:
    model = LanguageModel(make_config(*SIZES, "position=sinusoidal"), V)
    state = model.state_dict()
    del state["scheme.scale"]
    model.load_state_dict(state)
    assert torch.equal(model.scheme.table(), sinusoids(torch.arange(L), D, 10_000.0))


def test_learned_vectors_of_a_given_size() -> None:
    table = build("learned", **SHAPE, init_std=0.3, token_rms=0.02).table()
    assert table is not None
    assert rms(table) == pytest.approx(0.3, rel=0.07)


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        *[
            ({"name": name, "loudness": 30.0}, ("position.loudness=30.0", "30 times", "sees the tokens"))
            for name in PAPERS
        ],
        *[({"name": name, "loudness": 0.03}, ("0.03 times", "sees the positions", "0.1 to 3")) for name in PAPERS],
        ({"name": "learned", "init_std": 1.0}, ("position.init_std=1.0", "50 times")),
        ({"name": "randomized", "inner": {"name": "learned", "loudness": 4.0}}, ("4 times",)),
    ],
)
def test_cautions(spec: dict[str, object], parts: tuple[str, ...]) -> None:
    (caution,) = positions.configure(spec).cautions(TOKENS)
    assert all(part in caution for part in parts), caution


@pytest.mark.parametrize("given", [0.1, 0.5, 3.0])
@every_input_scheme
def test_usual_ratios_give_no_caution(name: str, given: float) -> None:
    assert positions.configure({"name": name, "loudness": given}).cautions(TOKENS) == []
    assert positions.configure(name).cautions(TOKENS) == []


def test_a_size_beside_unknown_tokens_gives_no_caution() -> None:
    assert positions.configure({"name": "learned", "init_std": 1.0}).cautions(TOKENS._replace(token_rms=None)) == []


@every_input_scheme
def test_a_negative_ratio_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"position.loudness=-1.0 is too small: give at least 0"):
        build(name, **SHAPE, loudness=-1.0)
