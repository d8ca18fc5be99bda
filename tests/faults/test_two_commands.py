"""Two commands on one folder share its runs; neither does what the other has done."""

from __future__ import annotations

import re

from campaign import Campaign, Command, answers, litter


def test_two_commands_at_once_share_the_work(tmp_path):
    campaign = Campaign(tmp_path, tmp_path / "runs", 4, disk=None, most=0, pause=0)
    both = [Command(campaign, campaign.out) for _ in range(2)]
    assert [command.process.wait(600) for command in both] == [0, 0]
    said = [command.text.read_text() for command in both]
    assert len(answers(campaign.out)) == 12
    assert set(campaign.done_counts().values()) == {1}
    assert litter(campaign.out) == []
    for text in said:
        # Every command tells how each run ended, whoever did it, unless it was done before.
        already = re.search(r"(\d+) of 12 runs are done already", text)
        ended = len(re.findall(r"^\[\d+/12\] .*test accuracy", text, re.MULTILINE))
        assert ended + int(already[1] if already else 0) == 12
