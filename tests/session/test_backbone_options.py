"""What stands in a backbone's brackets: read, checked, part of the run, and printed again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ltbench.cli.completion import complete_backbones
from ltbench.cli.plugins.info import info
from ltbench.cli.run import run
from ltbench.errors import UsageError
from ltbench.plugins.backbone_options import BackboneOptions, parse_backbone, parse_backbones
from ltbench.report.command import setting_words
from ltbench.report.run_page import _specification
from ltbench.results.backbone import BackboneSpec, short_name
from ltbench.results.parse_record import parse_record
from ltbench.results.run import RunSpec
from ltbench.results.untrusted import UnreadableRun
from ltbench.session.asked import check_asked
from ltbench.session.plan import Request, plan_runs
from ltbench.session.protocols import asked_protocols

VIT = "vit_base_patch16_clip_224.openai"


def planned(backbone: str | None, protocol: str | None = "digits-mini") -> list[RunSpec]:
    settings = {"steps": 2}
    request = Request(["erm"], ["digits-mini-mlt"], [0], "fp32", Path("/nowhere"), settings,
                      protocol=protocol, backbone=backbone)  # fmt: skip
    return list(plan_runs(request).specs)


@pytest.mark.parametrize(("text", "found"), [
    ("resnet18", ["resnet18"]),
    (f"{VIT}[adapt=lora,rank=8]", [f"{VIT}[adapt=lora,rank=8]"]),
    (f"{VIT}[adapt=lora,rank=4]", [f"{VIT}[adapt=lora]"]),
    (f"{VIT}[adapt=lora[rank=8]]", [f"{VIT}[adapt=lora,rank=8]"]),
    (f"{VIT}[adapt=full]", [VIT]),
    ("hf-hub:timm/vit@main[adapt=head]", ["hf-hub:timm/vit@main[adapt=head]"]),
    ("a[adapt=lora,rank=[2,8]],b", ["a[adapt=lora,rank=2]", "a[adapt=lora,rank=8]", "b"]),
    ("a[adapt=[full,bitfit]]", ["a", "a[adapt=bitfit]"]),
    (" a[ adapt = vpt-deep, tokens=3 ] ", ["a[adapt=vpt-deep,tokens=3]"]),
])  # fmt: skip
def test_names_are_read_and_spelled(text: str, found: list[str]) -> None:
    assert [str(one) for one in parse_backbones(text)] == found
    assert [str(parse_backbone(one)) for one in found] == found


@pytest.mark.parametrize(("text", "sentence"), [
    ("a[adapt=lore]", r"backbone a\[adapt=lore\] is not possible: choose one of"),
    ("a[adept=lora]", "backbone a has no hyper-parameter 'adept'.*'adapt'"),
    ("a[rank=4]", r"a\[rank=4\] goes with adapt=lora: add it, or leave rank out"),
    ("a[adapt=bitfit,tokens=3]", "tokens=3.* goes with adapt=vpt-shallow or adapt=vpt-deep"),
    ("a[adapt=lora,rank=0]", "the least is 1"),
    ("a[adapt=lora,rank=x]", "a whole number"),
    ("a[adapt=lora[rank=2],rank=4]", "'rank' stands twice in the brackets of a"),
    ("a[adapt]", "is not key=value"),
    ("a[adapt=lora", "unclosed bracket"),
    ("a,,b", "empty part"),
    ("a[adapt=[]]", "is empty"),
])  # fmt: skip
def test_what_is_not_possible_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse_backbones(text)


def test_only_one_backbone_where_one_is_meant() -> None:
    with pytest.raises(UsageError, match="names 2 backbones"):
        parse_backbone("a,b")


def test_options_are_part_of_the_run_only_where_given() -> None:
    (plain,) = planned("digits-cnn")
    (full,) = planned("digits-cnn[adapt=full]")
    (head,) = planned("digits-cnn[adapt=head]")
    assert plain.hash == full.hash
    assert "options" not in plain.identity()["backbone"]
    assert head.hash != plain.hash
    assert head.identity()["backbone"]["options"] == {"adapt": "head"}
    again = RunSpec.from_dict(json.loads(json.dumps(head.as_dict())))
    assert again.hash == head.hash
    assert again.backbone.title == "digits-cnn[adapt=head]"
    assert again.backbone.chosen.rank == 4


def test_lists_and_protocols_are_swept() -> None:
    both = ["digits-cnn", "digits-cnn[adapt=head]"]
    for backbone, protocol in (
        ("digits-cnn,digits-cnn[adapt=head]", "digits-mini"),
        ("digits-cnn[adapt=[full,head]]", "digits-mini"),
        (None, "digits-mini[backbone=[digits-cnn,digits-cnn[adapt=head]]]"),
        (None, "digits-mini[backbone=digits-cnn[adapt=[full,head]]]"),
    ):
        specs = planned(backbone, protocol)
        assert [spec.backbone.title for spec in specs] == both
        assert len({spec.apart for spec in specs}) == 2


def test_a_protocol_file_names_one(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('like = "digits-mini"\nbackbone = "digits-cnn[adapt=head]"\n')
    (spec,) = planned(None, str(file))
    assert spec.backbone.options == {"adapt": "head"}
    file.write_text('backbone = "digits-cnn[adapt=[full,head]]"\n')
    with pytest.raises(UsageError, match="'backbone' takes one value"):
        asked_protocols(str(file))
    with pytest.raises(UsageError, match="choose one of"):
        asked_protocols("digits-mini[backbone=digits-cnn[adapt=x]]")


def test_names_are_checked_before_torch() -> None:
    with pytest.raises(UsageError, match="there is no backbone 'resnett50'"):
        check_asked(["erm"], ["digits-mini-mlt"], backbone="digits-cnn,resnett50[adapt=head]")
    with pytest.raises(UsageError, match="choose one of"):
        check_asked(["erm"], ["digits-mini-mlt"], backbone="digits-cnn[adapt=x]")


def test_commands_and_pages_print_them() -> None:
    (spec,) = planned("digits-cnn[adapt=head]")
    record = parse_record("x", spec.as_dict(), None, None)
    assert record.backbone == "digits-cnn[adapt=head]"
    words = setting_words({name: getattr(record, name) for name in record.__slots__})
    assert words[words.index("--backbone") + 1] == "digits-cnn[adapt=head]"
    assert any("digits-cnn[adapt=head]" in line for line in _specification(spec.as_dict(), ""))
    commit = "0123456789abcdef" * 2 + "01234567"
    assert short_name(f"hf-hub:a/b@{commit}[adapt=head]") == "hf-hub:a/b@01234567[adapt=head]"


@pytest.mark.parametrize("options", [["adapt"], "adapt", {"adapt": "x"}, {"adapt": {}}, {"x": 1}])
def test_a_folder_from_anywhere_is_judged(options: Any) -> None:
    (spec,) = planned("digits-cnn")
    document = spec.as_dict()
    document["identity"]["backbone"]["options"] = options
    with pytest.raises(UnreadableRun, match="'options' of the backbone"):
        parse_record("x", document, None, None)


def test_the_title_of_a_spec() -> None:
    assert BackboneSpec("a").title == "a"
    assert "options" not in BackboneSpec("a").as_dict()


@pytest.mark.parametrize(("typed", "first"), [
    ("digits-cn", "digits-cnn"),
    ("resnet18,digits-cn", "resnet18,digits-cnn"),
    ("digits-cnn[ada", "digits-cnn[adapt="),
    ("digits-cnn[adapt=lo", "digits-cnn[adapt=lora"),
    ("digits-cnn[adapt=lora,ra", "digits-cnn[adapt=lora,rank="),
])  # fmt: skip
def test_a_shell_completes_them(typed: str, first: str) -> None:
    found = complete_backbones(None, None, typed)  # type: ignore[arg-type]
    assert first in [item.value for item in found]
    assert all(item.value.startswith(typed) for item in found)


def test_what_they_are_is_told() -> None:
    for name in ("digits-cnn", "test_vit[adapt=lora]"):
        found = CliRunner().invoke(info, [name], catch_exceptions=False)
        assert found.exit_code == 0
        assert all(option in found.output for option in BackboneOptions.bounds())
        assert "vpt-deep" in found.output
    assert "vpt-deep" not in CliRunner().invoke(info, ["erm"], catch_exceptions=False).output


@pytest.mark.parametrize("value", [
    '"digits-cnn,digits-cnn[adapt=head]"', '["digits-cnn", "digits-cnn[adapt=head]"]',
])  # fmt: skip
def test_a_sweep_file_lists_them(value: str, tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(
        f'algo = "erm"\ndataset = "digits-mini-mlt"\nseeds = 1\nbackbone = {value}\nsteps = 2\n'
    )
    words = [str(file), "--dry-run", "--json", "--precision", "fp32", "--out", str(tmp_path / "o")]
    found = CliRunner().invoke(run, words, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    runs = json.loads(found.stdout)
    assert len({one["hash"] for one in runs}) == 2
