"""`bulkhead risk`: pictures, tables and answers from the built-in crashes and from files, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bulkhead.cli import main
from bulkhead.scenario import Candle, built_in

PICTURES = ("margins.png", "frontier.png", "leverages.png")


def write(path: Path, candles: list[Candle]) -> Path:
    rows = [f"{c.time},{c.open / 1e18},{c.high / 1e18},{c.low / 1e18},{c.close / 1e18}" for c in candles]
    path.write_text("\n".join(["timestamp,open,high,low,close", *rows]) + "\n")
    return path


def test_built_in_crashes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["risk", "--hold", "1", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "(a) At the same frequency" in said and "(b) At the same average margin" in said
    assert "ETH march_2020" in said and "BTC june_2022" in said
    for name in PICTURES:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    record = json.loads((tmp_path / "risk.json").read_text())
    assert [row["name"] for row in record["histories"]][:2] == ["ETH march_2020", "BTC march_2020"]
    assert {answer["hold"] for answer in record["answers"]} == {1}
    assert record["warmup_h"] == 6 and record["rule"]["z"] == 4
    largest = [row for row in record["leverages"] if row["history"] == "all" and row["leverage"] is None]
    # The one hour of a position at the largest leverage: what the answers count, counted again by leverage.
    assert largest[0]["fixed"]["outrun"] == record["answers"][0]["frequency"]["fixed"] == 27


def test_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "mine.csv", built_in("may_2021", "ETH"))
    assert main(["risk", "--prices", str(file), "--hold", "1", "--warmup", "12", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "mine" in said and "nothing to judge on" in said
    assert json.loads((tmp_path / "risk.json").read_text())["histories"][0]["hours"] == 60


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.csv"], "nowhere.csv: cannot be read"),
        (["short.csv"], "short: 20 candles are too few for 24 hours of warm-up"),
        (["good.csv", "other/good.csv"], "more than one file is called good"),
        (["good.csv", "--floor", "0.6"], "--floor must be at most --cap, 0.5, not 0.6"),
        (["broken.csv"], "broken.csv, line 2"),
    ],
)
def test_refuses(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    path = built_in("may_2021", "ETH")
    write(tmp_path / "good.csv", path)
    (tmp_path / "other").mkdir()
    write(tmp_path / "other" / "good.csv", path)
    write(tmp_path / "short.csv", path[:20])
    (tmp_path / "broken.csv").write_text("timestamp,open,high,low,close\n1600000000,1,2,x,1\n")
    assert main(["risk", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--hold 0", "--hold must be a whole number of 1 to 8,760 hours, not 0"),
        ("--z -1", "--z must be a number above 0, not -1"),
        ("--floor 2", "--floor must be a part of notional above 0 and up to 1, not 2"),
        ("--fast nan", "--fast must be a number above 0, not nan"),
        ("--z x", "--z must be a number above 0, not x"),
        ("--nothing", "unrecognized arguments: --nothing"),
    ],
)
def test_wrong_arguments_are_one_line(option: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["risk", *option.split()])
    assert ended.value.code == 2
    assert capsys.readouterr().err.removeprefix("bulkhead risk: ").removeprefix("bulkhead: ") == f"{says}\n"
