"""Write recorded.json: outputs of implementations that cannot be installed beside the tests' transformers 5.

Run in a separate environment: transformers==4.57.6, PoPE-pytorch==0.2.1, torchscale==0.3.0 (only its xPos file is used;
importing the package would need more).

    python tests/positions/oracles/record.py
"""

import importlib.util
import json
from importlib.metadata import version
from pathlib import Path

import torch
from PoPE_pytorch import PoPE
from torch import Tensor
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertSelfAttention

B, H, T, K, L = 1, 2, 6, 4, 8  # L, the window, is longer than the text
D = H * K


def bert(kind: str) -> dict[str, Tensor]:
    config = BertConfig(  # type: ignore[call-arg]
        hidden_size=D,
        num_attention_heads=H,
        max_position_embeddings=L,
        position_embedding_type=kind,
        num_hidden_layers=1,
    )
    config._attn_implementation = "eager"
    layer = BertSelfAttention(config).eval()
    x = torch.randn(B, T, D)
    q, k, v = (part(x).view(B, T, H, K).transpose(1, 2) for part in (layer.query, layer.key, layer.value))
    mask = torch.full((T, T), -1e9).triu(1)[None, None]
    out = layer(x, attention_mask=mask)[0].view(B, T, H, K).transpose(1, 2)
    return {"q": q, "k": k, "v": v, "table": layer.distance_embedding.weight, "out": out}  # type: ignore[dict-item]


def pope() -> dict[str, Tensor]:
    module = PoPE(K, heads=H)
    module.bias.data.uniform_(-8, 1)
    q, k = torch.randn(2, B, H, T, K)
    turned_q, turned_k = PoPE.apply_pope_to_qk(module(T), q, k)
    return {"q": q, "k": k, "phase": module.bias, "products": turned_q @ turned_k.mT}


def xpos() -> dict[str, Tensor]:
    folder = Path(importlib.util.find_spec("torchscale").submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location("xpos", folder / "component" / "xpos_relative_position.py")
    file = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(file)
    module = file.XPOS(K)
    q, k = torch.randn(2, H, T, K)
    return {"q": q[None], "k": k[None], "products": (module(q) @ module(k, downscale=True).mT)[None]}


if __name__ == "__main__":
    torch.manual_seed(0)
    with torch.no_grad():
        values = {
            "bert_relative_key": bert("relative_key"),
            "bert_relative_key_query": bert("relative_key_query"),
            "pope": pope(),
            "xpos": xpos(),
        }
    packages = ("transformers", "PoPE-pytorch", "torchscale", "torch")
    record = {name: {key: tensor.tolist() for key, tensor in parts.items()} for name, parts in values.items()}
    record["versions"] = {package: version(package) for package in packages}
    Path(__file__).with_name("recorded.json").write_text(json.dumps(record) + "\n")
