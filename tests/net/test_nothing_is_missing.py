"""Whatever the source could write is in the recorded files, so that the lives which are recorded leave nothing out."""

import ast
import re
from collections.abc import Iterator

import pytest

from darkroom.web.problems import KINDS
from tests.net.code import LEVELS, OBSERVE, Site, attributes, calls, method_calls, variables
from tests.net.recording import recorded

LIVES = "let a life in tests/net/lives.py do it, then `make record`"
SET_BY_LAMBDA = {"AWS_LAMBDA_INITIALIZATION_TYPE"}


def _told(sites: Iterator[Site]) -> list[Site]:
    """Return the sites outside observe.py's own plumbing; there are some, or the names have changed."""
    found = [site for site in sites if not (site.path == OBSERVE and isinstance(site.call.args[0], ast.Name))]
    assert found
    return found


SAYS = _told(calls("say"))
LOGS = _told(method_calls("logger", LEVELS))
COUNTS = _told(calls("count", "gauge", "gauge_seconds"))
PROBLEMS = _told(calls("Problem"))
FAULTS = _told(calls("InputFault"))


@pytest.mark.parametrize("site", SAYS, ids=lambda site: site.place)
def test_each_log_line_is_recorded_with_all_its_keys_and_levels(site: Site) -> None:
    level = site.argument("level")
    levels = {"INFO"} if level is None else {word.upper() for word in site.words(level)}
    messages = site.words(site.call.args[0])

    lines = recorded("log_lines")["lines"]
    assert messages <= lines.keys(), f"{site.place}: {LIVES}"
    assert site.keywords() - {"level"} <= {key for one in messages for key in lines[one]["keys"]}, f"{site.place}: {LIVES}"
    assert levels <= {level for one in messages for level in lines[one]["levels"].split(", ")}, f"{site.place}: {LIVES}"


@pytest.mark.parametrize("site", LOGS, ids=lambda site: site.place)
def test_each_line_that_is_logged_directly_is_recorded(site: Site) -> None:
    extra = site.argument("extra")
    keys = {key.value for key in extra.keys if isinstance(key, ast.Constant)} if isinstance(extra, ast.Dict) else set()

    lines = recorded("log_lines")["lines"]
    for message in site.words(site.call.args[0]):
        assert message in lines, f"{site.place}: {LIVES}"
        assert keys <= lines[message]["keys"].keys(), f"{site.place}: {LIVES}"


def test_each_fact_of_a_contained_error_is_recorded() -> None:
    told = {key for site in calls("tell_unforeseen") for key in site.keywords()}

    assert told
    assert told <= recorded("log_lines")["lines"]["unforeseen"]["keys"].keys(), LIVES


@pytest.mark.parametrize("site", COUNTS, ids=lambda site: site.place)
def test_each_metric_is_recorded(site: Site) -> None:
    names = {name for metrics in recorded("metrics").values() for name in metrics}

    assert site.words(site.call.args[0]) - names == set(), f"{site.place} can write this metric: {LIVES}"


def test_metrics_and_their_dimensions_are_made_in_one_place() -> None:
    made = frozenset({"add_metric", "add_dimension", "set_default_dimensions", "add_metadata"})

    assert {site.path for site in method_calls("metrics", made)} == {OBSERVE}


@pytest.mark.parametrize("site", PROBLEMS, ids=lambda site: site.place)
def test_each_problem_is_recorded_with_its_errors_and_headers(site: Site) -> None:
    headers = site.argument("headers")
    named = {key.value for key in headers.keys if isinstance(key, ast.Constant)} if isinstance(headers, ast.Dict) else set()

    for code in site.words(site.call.args[0]):
        document = recorded("problems")["of the API"].get(code)
        assert document is not None, f"{site.place} can answer {code!r}: add a scenario to tests/net/problems.py"
        assert named <= {*document.get("further headers", "").split("; ")}, f"{site.place}: headers of {code!r} are missing"
        assert site.argument("faults") is None or "each of errors" in document, f"{site.place}: errors of {code!r} are missing"


def test_every_code_has_a_document() -> None:
    assert recorded("problems")["of the API"].keys() == KINDS.keys()


def test_every_kind_of_fault_is_recorded() -> None:
    kinds = {word for site in FAULTS for word in site.words(site.call.args[0])}
    forms = [one["each of errors"] for one in recorded("problems")["of the API"].values() if "each of errors" in one]

    assert kinds | {"detail"} == {member for form in forms for one in form.split("; ") for member in one.split(", ")}


def test_every_problem_of_the_callback_door_is_recorded() -> None:
    rejected = {word for site in calls("_reject") for word in site.words(site.call.args[1])}

    assert rejected <= recorded("problems")["of callbacks"].keys()
    assert rejected


def test_each_attribute_that_an_adapter_names_is_recorded() -> None:
    known = {re.split(r"[.\[ ]", name)[0] for kind in recorded("rows").values() for name in kind}
    # What begins with a colon is a value's placeholder in an expression.
    named = {(place, name) for place, name in attributes() if not name.startswith(":")}

    assert named
    assert {(place, name) for place, name in named if name not in known} == set(), LIVES


def test_every_variable_in_the_code_is_a_recorded_setting() -> None:
    settings = recorded("settings")

    known = settings["environment of the functions"].keys() | settings["environment of a local run"].keys()
    assert {name for name in variables() if not name.startswith("AWS_")} <= known


def test_every_field_of_the_secret_is_recorded() -> None:
    sites = [site for site in method_calls("secrets", frozenset({"get"})) if isinstance(site.call.args[0], ast.Constant)]
    read = {word for site in sites for word in site.words(site.call.args[0])}

    assert read
    assert read <= recorded("settings")["fields of the secret"].keys()
