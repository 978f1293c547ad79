"""Schemes compared with transformers 5 (its import takes seconds, so all such tests are in this file)."""

import pytest
import torch
from torch import Tensor

from embedlab.model.attention import attend
from embedlab.positions import build

transformers = pytest.importorskip("transformers", reason="transformers (dev extra) is the oracle here")

from transformers import DebertaV2Config, LlamaConfig, XLNetConfig  # noqa: E402
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS  # noqa: E402
from transformers.models.bloom.modeling_bloom import build_alibi_tensor  # noqa: E402
from transformers.models.deberta_v2.modeling_deberta_v2 import DisentangledSelfAttention  # noqa: E402
from transformers.models.gpt_neox import modeling_gpt_neox as gpt_neox  # noqa: E402
from transformers.models.gptj import modeling_gptj as gptj  # noqa: E402
from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding  # noqa: E402
from transformers.models.mpt.modeling_mpt import build_mpt_alibi_tensor  # noqa: E402
from transformers.models.t5.modeling_t5 import T5Attention  # noqa: E402
from transformers.models.wav2vec2_bert.modeling_wav2vec2_bert import _apply_relative_key_position_encoding  # noqa: E402
from transformers.models.xlnet.modeling_xlnet import XLNetRelativeAttention  # noqa: E402

from embedlab.positions.sinusoidal import sinusoids  # noqa: E402
from embedlab.positions.site import square  # noqa: E402

B, H, T, K = 2, 4, 12, 8
D = H * K


def qkv(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(B, H, T, K, generator=generator) for _ in range(3)]


def close(a: Tensor, b: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def make(name: str, context_length: int = T, **settings: object):
    torch.manual_seed(0)
    return build(name, embedding_dim=D, n_heads=H, n_layers=1, context_length=context_length, **settings)


@pytest.mark.parametrize("dim", [6, 8, 7])
def test_sinusoidal_is_marians_table(dim: int) -> None:
    table = MarianSinusoidalPositionalEmbedding(50, dim).create_weight()
    close(sinusoids(torch.arange(50), dim, 10_000.0), table)


@pytest.mark.parametrize(("buckets", "max_distance"), [(32, 128), (32, 48), (8, 20), (16, 200)])
def test_t5_buckets(buckets: int, max_distance: int) -> None:
    ours = make("t5", buckets=buckets, max_distance=max_distance).get_buffer("bucket")
    keys_back = -torch.arange(max_distance + 1)
    theirs = T5Attention._relative_position_bucket(
        keys_back, bidirectional=False, num_buckets=buckets, max_distance=max_distance
    )
    assert ours.tolist() == theirs.tolist()


def test_t5_bias_reads_its_bucket() -> None:
    t5 = make("t5", buckets=8, max_distance=10, scale=3.0)
    positions = torch.arange(T)
    bucket = T5Attention._relative_position_bucket(positions[None] - positions[:, None], False, 8, 10)
    close(t5.bias(square(positions)), 3 * t5.heights.weight[bucket].permute(2, 0, 1))


@pytest.mark.parametrize("n_heads", [1, 2, 3, 4, 6, 8, 12])
def test_alibi_slopes_are_blooms_and_after_the_softmax_its_bias(n_heads: int) -> None:
    alibi = build("alibi", embedding_dim=n_heads * K, n_heads=n_heads, n_layers=1, context_length=T)
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    bloom = build_alibi_tensor(torch.ones(1, T), n_heads, torch.float32)  # (H, 1, T), + m · j
    ours = alibi.bias(square(torch.arange(T))).masked_fill(future, -torch.inf).softmax(-1)
    close(ours, bloom.expand(n_heads, T, T).masked_fill(future, -torch.inf).softmax(-1))


@pytest.mark.parametrize("n_heads", [2, 4, 8])  # for other numbers of heads MPT orders the slopes differently
def test_alibi_is_mpts_for_powers_of_two(n_heads: int) -> None:
    alibi = build("alibi", embedding_dim=n_heads * K, n_heads=n_heads, n_layers=1, context_length=T)
    close(alibi.bias(square(torch.arange(T)))[:, -1], build_mpt_alibi_tensor(n_heads, T)[:, 0])


@pytest.mark.parametrize("fraction", [1.0, 0.5, 0.25])
def test_rotary_half_is_gpt_neox(fraction: float) -> None:
    q, k, _ = qkv()
    rotary = make("rotary", fraction=fraction)
    R = int(K * fraction)
    angles = torch.arange(T)[:, None] * 10_000.0 ** -(torch.arange(0, R, 2) / R)
    angles = torch.cat([angles, angles], -1)[None]
    theirs = gpt_neox.apply_rotary_pos_emb(q, k, angles.cos(), angles.sin())
    for ours, expected in zip(rotary.rotate(q, k, square(torch.arange(T))), theirs, strict=True):
        close(ours, expected)


def test_rotary_interleaved_is_gpt_j() -> None:
    q, k, _ = qkv()
    rotated = make("rotary", layout="interleaved").rotate(q, k, square(torch.arange(T)))
    sin, cos = gptj.create_sinusoidal_positions(T, K)[None].chunk(2, dim=-1)
    for ours, x in zip(rotated, (q, k), strict=True):
        close(ours, gptj.apply_rotary_pos_emb(x.transpose(1, 2), sin, cos).transpose(1, 2))


@pytest.mark.parametrize("kind", ["linear", "yarn", "ntk"])
@pytest.mark.parametrize("context_length", [64, 2048])
def test_rotary_scalings(kind: str, context_length: int) -> None:
    factor, width = 4.0, 32
    rotary = build(
        "rotary", embedding_dim=width, n_heads=1, n_layers=1, context_length=context_length, scaling=kind, factor=factor
    )
    parameters = {"rope_type": kind, "rope_theta": 10_000.0, "factor": factor}
    if kind == "yarn":
        parameters["original_max_position_embeddings"] = context_length
    if kind == "ntk":
        parameters["rope_type"] = "dynamic"
    config = LlamaConfig(
        hidden_size=width,
        num_attention_heads=1,
        max_position_embeddings=context_length * (4 if kind == "yarn" else 1),
        rope_parameters=parameters,
    )
    # transformers' ntk grows with the text; ours is its value where factor · length / window - (factor - 1) = factor
    length = round(context_length * (2 * factor - 1) / factor) if kind == "ntk" else None
    frequencies, grow = ROPE_INIT_FUNCTIONS[str(parameters["rope_type"])](config, "cpu", seq_len=length)
    close(rotary.frequencies().float(), frequencies)
    one = torch.ones(1, 1, 2, width)
    turned, _ = rotary.rotate(one, one, square(torch.arange(2)))
    angles = torch.arange(2)[:, None] * torch.cat([frequencies, frequencies])
    close(turned[0, 0], (angles.cos() + gpt_neox.rotate_half(torch.ones(2, width)) * angles.sin()) * grow)


@pytest.mark.parametrize("clip", [3, 20])
def test_shaw_keys_are_wav2vec2_berts(clip: int) -> None:
    q, k, v = qkv()
    shaw = make("shaw", clip=clip)
    table = torch.nn.Embedding(2 * clip + 1, K)
    table.weight.data = shaw.keys[0].flip(0)  # their distance is j - i
    module = torch.nn.Module()
    module.left_max_position_embeddings = module.right_max_position_embeddings = clip
    module.distance_embedding, module.scaling = table, K**-0.5
    _, bias = _apply_relative_key_position_encoding(module, q, k)
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    logits = (q @ k.mT * K**-0.5 + bias).masked_fill(future, -torch.inf)
    close(attend(shaw, q, k, v), logits.softmax(-1) @ v)


def test_transformer_xl_is_xlnets_relative_attention() -> None:
    q, k, v = qkv()
    ours = make("transformer_xl", init_std=0.5)
    theirs = XLNetRelativeAttention(XLNetConfig(d_model=D, n_head=H, n_layer=1, d_inner=D)).eval()
    theirs.r_w_bias.data = ours.content_bias.data[0, :, :, 0]
    theirs.r_r_bias.data = ours.distance_bias.data[0, :, 0]
    waves = sinusoids(torch.arange(T, -T, -1), D, 10_000.0)  # both directions, in XLNet's order
    keys = (waves @ ours.distance_keys[0]).view(2 * T, 1, H, K).expand(-1, B, -1, -1)
    future = torch.ones(T, T).triu(1)[:, :, None, None].expand(T, T, B, H)
    time_first = [part.permute(2, 0, 1, 3) for part in (q, k, v)]  # (T, B, H, K)
    expected = theirs.rel_attn_core(*time_first, keys, attn_mask=future)  # type: ignore[call-arg]
    close(attend(ours, q, k, v), expected.permute(1, 2, 0, 3))


@pytest.mark.parametrize(("buckets", "max_distance"), [(None, T), (None, 5), (8, T), (8, 30), (6, 10)])
def test_deberta_is_disentangled_self_attention(buckets: int | None, max_distance: int) -> None:
    q, k, v = qkv()
    ours = make("deberta", buckets=buckets, max_distance=max_distance, init_std=1.0)
    span = len(ours.vectors)
    config = DebertaV2Config(  # type: ignore[call-arg]
        hidden_size=D,
        num_attention_heads=H,
        relative_attention=True,
        pos_att_type=["c2p", "p2c"],
        position_buckets=buckets or -1,
        max_relative_positions=max_distance,
        hidden_dropout_prob=0.0,
    )
    theirs = DisentangledSelfAttention(config)
    assert theirs.pos_ebd_size == span
    for ours_weight, linear in ((ours.keys, theirs.pos_key_proj), (ours.queries, theirs.pos_query_proj)):
        linear.weight.data, linear.bias.data = ours_weight.data[0].T, torch.zeros(D)
    both_sides = torch.cat([torch.randn(span, D), ours.vectors])  # a causal model never uses the first half
    bias = theirs.disentangled_attention_bias(q.flatten(0, 1), k.flatten(0, 1), None, both_sides, 3).view(B, H, T, T)
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    logits = (q @ k.mT * (3 * K) ** -0.5 + bias).masked_fill(future, -torch.inf)
    close(attend(ours, q, k, v), logits.softmax(-1) @ v)
