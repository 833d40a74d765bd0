"""Few alarms, by symptom, each with something to do."""

import re

import pytest

from tests.support.template import resources, source
from tests.support.tools import ROOT

ALARMS = {name: one["Properties"] for name, one in resources(source(), "AWS::CloudWatch::Alarm").items()}


def anchor(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_there_are_five_to_ten_alarms() -> None:
    assert 5 <= len(ALARMS) <= 10


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_names_a_section_of_the_runbook(name: str) -> None:
    named = re.findall(r"docs/runbook\.md#([a-z-]+)", ALARMS[name]["AlarmDescription"])
    headings = re.findall(r"^##+ (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)

    assert len(named) == 1
    assert named[0] in {anchor(one) for one in headings}


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_decides_what_silence_means(name: str) -> None:
    assert ALARMS[name]["TreatMissingData"] == ("breaching" if name == "ReconcileSilentAlarm" else "notBreaching")


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_tells_somebody_when_there_is_somebody_to_tell(name: str) -> None:
    (action,) = ALARMS[name]["AlarmActions"]

    assert action["Fn::If"][0] == "AlarmsAreSent"


OURS = {one["MetricName"] for one in ALARMS.values() if one["Namespace"] == "Darkroom"}


@pytest.mark.parametrize("metric", sorted(OURS))
def test_a_metric_that_is_watched_is_written_by_the_code(metric: str) -> None:
    modules = (ROOT / "layers" / "common" / "darkroom").rglob("*.py")

    assert any(f'"{metric}"' in one.read_text() for one in modules)


def test_our_metrics_are_looked_for_where_the_functions_write_them() -> None:
    variables = source()["Globals"]["Function"]["Environment"]["Variables"]
    watched = [one for one in ALARMS.values() if one["Namespace"] not in ("AWS/SQS", "AWS/ApiGateway", "AWS/Lambda")]

    for one in watched:
        assert one["Namespace"] == variables["POWERTOOLS_METRICS_NAMESPACE"]
        assert one["Dimensions"] == [{"Name": "service", "Value": variables["POWERTOOLS_SERVICE_NAME"]}]
