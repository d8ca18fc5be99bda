"""Networks of which a part is trained: what they compute, what is frozen, and what is refused."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ltbench.errors import UsageError
from ltbench.models.adaptation.adapted import AdaptedBackbone, adapted
from ltbench.models.adaptation.adaptformer import Adapter, bottleneck_for
from ltbench.models.adaptation.lora import LoRALinear
from ltbench.models.catalogue import build_backbone
from ltbench.models.timm_backbone import TimmBackbone
from ltbench.plugins.backbone import Backbone
from ltbench.plugins.backbone_options import ADAPTERS, BackboneOptions, checked_options

SHAPE = (3, 32, 32)
VIT, CNN, SWIN = "test_vit", "test_resnet", "swin_tiny_patch4_window7_224"
PARTS = [kind for kind in ADAPTERS if kind not in ("full", "head")]


def images(count: int = 3, side: int = 32) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def network(name: str = VIT, shape: tuple[int, int, int] = SHAPE) -> Backbone:
    torch.manual_seed(0)
    return build_backbone(name, shape, False)


def made(name: str = VIT, shape: tuple[int, int, int] = SHAPE, **options: Any) -> AdaptedBackbone:
    found = adapted(network(name, shape), checked_options(options, name), name, 100)
    assert isinstance(found, AdaptedBackbone)
    return found


def shifted(backbone: Backbone) -> Backbone:
    """Return a backbone whose trained parameters are anything but where they begin."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return backbone


class TinyEva(Backbone):
    """A tiny EVA with rotary positions, as DINOv3 has; queries, keys and values apart or not."""

    def __init__(self, fused: bool = True) -> None:
        from timm.models.eva import Eva

        super().__init__()
        self.model = Eva(
            img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=0,
            use_rot_pos_emb=True, qkv_fused=fused, num_reg_tokens=2, init_values=0.5,
        )  # fmt: skip
        self.num_features = 32

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.model(x)
        return found


class TinyBeit(Backbone):
    """A tiny BEiT, whose attention multiplies by the matrix of its layer itself."""

    def __init__(self) -> None:
        from timm.models.beit import Beit

        super().__init__()
        self.model = Beit(
            img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=0,
            use_rel_pos_bias=True, use_abs_pos_emb=False, init_values=0.5,
        )  # fmt: skip
        self.num_features = 32

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.model(x)
        return found


TINY = {"eva": TinyEva, "eva-apart": lambda: TinyEva(fused=False), "beit": TinyBeit}


@pytest.mark.parametrize("kind", ["head", "lora", "adaptformer", "bitfit", "layernorm"])
def test_at_its_start_an_adapted_network_is_the_frozen_one(kind: str) -> None:
    plain, found = network().eval(), made(adapt=kind).train()
    assert torch.equal(found(images()), plain(images()))


@pytest.mark.parametrize("kind", ["lora", "adaptformer"])
@pytest.mark.parametrize("family", TINY)
def test_other_transformers_start_as_they_were(kind: str, family: str) -> None:
    torch.manual_seed(0)
    plain = TINY[family]().eval()
    found = adapted(copy.deepcopy(plain), checked_options({"adapt": kind}, "x"), "x", 9)
    assert torch.allclose(found(images()), plain(images()), atol=1e-6)
    found(images()).square().sum().backward()
    assert all(p.grad is not None for p in found.parameters())
    changed = shifted(found)(images())
    assert not torch.allclose(changed, plain(images()), atol=1e-3)


def test_a_transformer_of_windows_takes_lora() -> None:
    plain, found = network(SWIN, (3, 64, 64)).eval(), made(SWIN, (3, 64, 64), adapt="lora")
    assert torch.allclose(found(images(2, 64)), plain(images(2, 64)), atol=1e-6)


def test_lora_is_a_matrix_of_low_rank_added_to_queries_and_values() -> None:
    found = shifted(made(adapt="lora", rank=3, alpha=6))
    plain = network().eval()
    layers = [m for m in found.modules() if isinstance(m, LoRALinear)]
    attentions = [m for m in plain.modules() if isinstance(getattr(m, "qkv", None), nn.Linear)]
    assert len(layers) == len(attentions) > 0
    with torch.no_grad():
        for layer, attention in zip(layers, attentions, strict=True):
            width = attention.qkv.in_features
            for part, place in enumerate((0, 2)):  # queries, keys, values
                added = 6 / 3 * layer.a[part] @ layer.b[part]
                assert torch.linalg.matrix_rank(added) == 3
                attention.qkv.weight[place * width : (place + 1) * width] += added.T
            assert torch.allclose(layer.weight, attention.qkv.weight, atol=1e-5)
    assert torch.allclose(found(images()), plain(images()), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", TINY)
def test_lora_is_the_same_in_every_way_to_have_queries(family: str) -> None:
    """Whether a network calls the layer or multiplies by its matrix."""
    torch.manual_seed(0)
    plain = TINY[family]().eval()
    found = shifted(adapted(copy.deepcopy(plain), checked_options({"adapt": "lora"}, "x"), "x", 9))
    layers = {n.removeprefix("network."): m for n, m in found.named_modules()
              if isinstance(m, LoRALinear)}  # fmt: skip
    with torch.no_grad():
        for name, layer in layers.items():
            plain.get_submodule(name).weight.copy_(layer.weight)
    assert torch.allclose(found(images()), plain(images()), atol=1e-4, rtol=1e-4)
    assert len(layers) == (4 if family == "eva-apart" else 2)


def test_lora_by_numbers() -> None:
    linear = nn.Linear(2, 6)
    layer = LoRALinear(linear, (0, 4), 2, 1, 1.0)
    with torch.no_grad():
        layer.a.copy_(torch.tensor([[[1.0], [2.0]], [[0.0], [1.0]]]))
        layer.b.copy_(torch.tensor([[[3.0, 5.0]], [[7.0, 11.0]]]))
    x = torch.tensor([[1.0, 1.0]])
    expected = linear(x) + torch.tensor([[9.0, 15.0, 0.0, 0.0, 7.0, 11.0]])
    assert torch.allclose(layer(x), expected)
    assert torch.allclose(nn.functional.linear(x, layer.weight, layer.bias), expected)


def test_adaptformer_by_hand() -> None:
    """x + mlp(norm2(x)) + a·Up(ReLU(Down(LN(x)))) in every block, unrolled."""
    found = shifted(made(adapt="adaptformer", bottleneck=5, alpha=0.5))
    adapters = [m for m in found.modules() if isinstance(m, Adapter)]
    plain = network().eval().model
    x = plain.norm_pre(plain._pos_embed(plain.patch_embed(images())))
    for block, adapter in zip(plain.blocks, adapters, strict=True):
        x = x + block.ls1(block.attn(block.norm1(x)))
        inner = nn.functional.layer_norm(x, x.shape[-1:], adapter.norm.weight, adapter.norm.bias)
        inner = (inner @ adapter.down.weight.T + adapter.down.bias).clamp(min=0)
        added = adapter.scale * (inner @ adapter.up.weight.T + adapter.up.bias)
        x = x + block.ls2(block.mlp(block.norm2(x))) + added
    expected = plain.forward_head(plain.norm(x))
    assert torch.allclose(found(images()), expected, atol=1e-5, rtol=1e-5)
    assert {a.down.out_features for a in adapters} == {5}


@pytest.mark.parametrize(("classes", "blocks", "width"), [
    (100, 12, 4), (1000, 12, 32), (365, 12, 8), (8142, 12, 256), (3, 12, 1), (24, 12, 1), (1, 1, 1),
])  # fmt: skip
def test_the_bottleneck_goes_by_the_classes(classes: int, blocks: int, width: int) -> None:
    assert bottleneck_for(classes, blocks) == width
    assert 2 ** max(0, math.floor(math.log2(classes / (2 * blocks)))) == width


def prompted_by_hand(found: AdaptedBackbone, *, deep: bool) -> Tensor:
    plain = network().eval().model
    tokens = [p for n, p in found.named_parameters() if n.endswith("tokens")]
    x = plain.norm_pre(plain._pos_embed(plain.patch_embed(images())))
    for number, block in enumerate(plain.blocks):
        if number == 0 or deep:
            mine = tokens[number if deep else 0].expand(len(x), -1, -1)
            x = torch.cat([x, mine], 1)  # behind, where the network has them before: it is all one
        x = block(x)
        if deep or number + 1 == len(plain.blocks):
            x = x[:, : -mine.shape[1]]
    return plain.forward_head(plain.norm(x))


@pytest.mark.parametrize("deep", [False, True])
def test_prompts_by_hand(deep: bool) -> None:
    found = shifted(made(adapt="vpt-deep" if deep else "vpt-shallow", tokens=4))
    expected = prompted_by_hand(found, deep=deep)
    assert torch.allclose(found(images()), expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(found(images()), network().eval()(images()), atol=1e-3)


def test_prompts_have_no_positions_where_others_turn_by_theirs() -> None:
    torch.manual_seed(0)
    plain = TinyEva().eval()
    options = checked_options({"adapt": "vpt-deep", "tokens": 3}, "x")
    found = shifted(adapted(copy.deepcopy(plain), options, "x", 9))
    model = plain.model
    x, rope = model._pos_embed(model.patch_embed(images()))
    tokens = [p for n, p in found.named_parameters() if n.endswith("tokens")]
    for block, mine in zip(model.blocks, tokens, strict=True):
        block.attn.num_prefix_tokens += 3
        x = torch.cat([x[:, :1], mine.expand(len(x), -1, -1), x[:, 1:]], 1)
        x = block(x, rope=rope)
        x = torch.cat([x[:, :1], x[:, 4:]], 1)
    assert torch.allclose(found(images()), model.forward_head(model.norm(x)), atol=1e-5)


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("name", [VIT, CNN])
def test_what_is_trained_and_nothing_else(kind: str, name: str) -> None:
    if name == CNN and kind not in ("bitfit", "layernorm"):
        with pytest.raises(UsageError, match=f"adapt={kind} trains .* and backbone '{CNN}' has"):
            made(name, adapt=kind)
        return
    plain, found = network(name), made(name, adapt=kind)
    own = dict(plain.named_parameters())
    total = sum(p.numel() for p in own.values())
    here = sum(p.numel() for n, p in found.named_parameters() if n.removeprefix("network.") in own)
    assert found.frozen_parameters == total - here
    frozen = {n: b.clone() for n, b in found.named_buffers()}
    found.train().requires_grad_(True)  # as stages and algorithms do
    assert not any(module.training for module in found.modules())
    optimizer = torch.optim.SGD(found.parameters(), 0.1, weight_decay=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        found(images(4)).square().mean().backward()
        optimizer.step()
    assert all(torch.equal(b, frozen[n]) for n, b in found.named_buffers())
    assert set(found.state_dict()) == {*dict(found.named_parameters()), "_extra_state"}
    moved = dict(made(name, adapt=kind).named_parameters())
    assert all(not torch.equal(p, moved[n]) for n, p in found.named_parameters() if p.grad.any())
    names = dict(found.named_parameters())
    assert names
    if kind == "bitfit":
        assert all(n.endswith("bias") for n in names)
    if kind == "layernorm":
        owners = {found.get_submodule(n.rpartition(".")[0]) for n in names}
        assert all("Norm" in type(owner).__name__ for owner in owners)


def test_a_head_alone_leaves_the_network_without_parameters() -> None:
    found = made(CNN, adapt="head")
    assert not list(found.parameters())
    assert found.frozen_parameters == sum(p.numel() for p in network(CNN).parameters())


def test_nothing_is_changed_where_all_is_trained() -> None:
    plain = network()
    assert adapted(plain, BackboneOptions(), VIT, 9) is plain


@pytest.mark.parametrize(("kind", "name", "needs"), [
    ("lora", "digits-cnn", "attention"), ("adaptformer", SWIN, "blocks of a vision transformer"),
    ("vpt-deep", "test_vit_relpos", "further tokens"),
])  # fmt: skip
def test_a_network_that_cannot_be_adapted_says_so(kind: str, name: str, needs: str) -> None:
    shape = (3, 64, 64) if name == SWIN else SHAPE
    with pytest.raises(UsageError, match=f"adapt={kind} trains .*{needs}.*'{name}' has none"):
        made(name, shape, adapt=kind)


def test_fixed_positions_take_no_prompts() -> None:
    with pytest.raises(UsageError, match="take further tokens"):
        adapted(TinyBeit(), checked_options({"adapt": "vpt-deep"}, "x"), "x", 9)


def test_a_state_holds_what_was_trained_and_fits_its_network_alone() -> None:
    found = shifted(made(adapt="lora"))
    state = copy.deepcopy(found.state_dict())
    size = sum(value.numel() for value in state.values())
    assert size < 0.05 * sum(p.numel() for p in network().parameters())
    again = made(adapt="lora")
    again.load_state_dict(state)
    assert torch.equal(again(images()), found(images()))
    torch.manual_seed(1)
    other = adapted(build_backbone(VIT, SHAPE, False), checked_options({"adapt": "lora"}, VIT),
                    VIT, 100)  # fmt: skip
    with pytest.raises(UsageError, match=r"frozen part of test_vit.* is not what it was"):
        other.load_state_dict(state)


def test_copies_share_what_is_frozen() -> None:
    found = made(adapt="lora")
    twin = copy.deepcopy(found)
    assert [b.data_ptr() for b in twin.buffers()] == [b.data_ptr() for b in found.buffers()]
    shifted(twin)
    assert torch.equal(found(images()), network().eval()(images()))
    assert not torch.equal(twin(images()), found(images()))
    assert twin.frozen_parameters == found.frozen_parameters


@pytest.mark.parametrize("kind", PARTS)
def test_half_precision(kind: str) -> None:
    found = shifted(made(adapt=kind))
    with torch.autocast("cpu", torch.bfloat16):
        half = found(images())
    assert torch.allclose(half.float(), found(images()), atol=0.15, rtol=0.15)


@pytest.mark.parametrize("kind", ["lora", "vpt-deep", "adaptformer"])
def test_layers_keep_their_order(kind: str) -> None:
    from ltbench.training.layers import layer_factors

    found = made(adapt=kind)
    factors = layer_factors(found, 0.5)
    names = {name: factors[id(p)] for name, p in found.named_parameters()}
    firsts = {f for n, f in names.items() if "blocks.0." in n}
    lasts = {f for n, f in names.items() if "blocks.5." in n}
    assert len(firsts) == len(lasts) == 1
    assert firsts.pop() < lasts.pop()


def test_pretrained_weights_are_loaded_before(tmp_path: Any) -> None:
    from ltbench.models.weights import load_weights

    torch.manual_seed(5)
    source = TimmBackbone(VIT, SHAPE)
    torch.save(source.model.state_dict(), tmp_path / "weights.pt")
    torch.manual_seed(0)
    backbone = build_backbone(VIT, SHAPE, False)
    load_weights(backbone, tmp_path / "weights.pt")
    found = adapted(backbone, checked_options({"adapt": "lora"}, VIT), VIT, 9)
    assert torch.equal(found(images()), source.eval()(images()))
