"""The oldest releases that are tested are those that pyproject.toml allows."""

import tomllib

from tests.conventions._source import ROOT


def test_lowest_releases_are_the_lower_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = project["dependencies"] + project["optional-dependencies"]["test"]
    pinned = (ROOT / "tests" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    assert {line.replace(">=", "==") + ".*" for line in required} <= set(pinned)
