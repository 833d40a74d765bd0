"""A sixth upstream is what docs/adding-an-upstream.md says, its lines taken from that page; nothing else knows its name."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import pytest

from darkroom.adapters.upstreams.registry import ADAPTERS, Adapter, accounts, promised_limits
from darkroom.domain.admission import Limits
from darkroom.domain.news import Says
from darkroom.errors import ConfigurationError, UpstreamRefused
from darkroom.ports import Promises, Upstream
from darkroom.settings import Settings, read_settings
from darkroom.wiring import Services
from local.promises_page import render
from local.simulator import apis
from local.simulator.server import Simulator
from tests.contract.hiapi.gateways import API_KEY, RotatingSecrets
from tests.contract.upstreams.gateways import Case
from tests.contract.upstreams.sixth.easel import Easel

HERE = Path(__file__).parent / "sixth"
PAGE = Path(__file__).parents[3] / "docs/adding-an-upstream.md"
TEXT = PAGE.read_text("utf-8")
WORDS = ("no", "one", "two", "three", "four", "five", "six")
SETTINGS = Settings(table="t", bucket="b", queue_url="q", dead_letter_queue_url="d", secret_id="s")


@dataclass(frozen=True, slots=True, kw_only=True)
class WithEasel(Settings):
    """As if settings.py had the address."""

    easel_base_url: str


def line_of(kind: str, **known: Any) -> Any:
    """What the page's line for `easel` makes."""
    line = re.search(rf'^("easel": {kind}\(.*\)),$', TEXT, re.MULTILINE)
    assert line, f"the page shows no {kind} of easel"
    return eval(f"{{{line[1]}}}", known)["easel"]  # noqa: S307  (our own page)


@pytest.fixture
def easel_simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """As if easel.py lay in local/simulator/apis."""
    monkeypatch.setattr(apis, "__path__", [*apis.__path__, str(HERE / "apis")])
    with Simulator(time_scale=1000, api_key=API_KEY) as running:
        yield running
    sys.modules.pop("local.simulator.apis.easel")


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch, easel_simulator: Simulator) -> Services:
    """As if the registry had the page's line."""
    line = line_of("Adapter", Adapter=Adapter, _HERE="tests.contract.upstreams.sixth")
    monkeypatch.setitem(cast("dict[str, Adapter]", ADAPTERS), "easel", line)
    kept = {name: getattr(SETTINGS, name) for name in ("table", "bucket", "queue_url", "dead_letter_queue_url", "secret_id")}
    wired = Services(WithEasel(**kept, easel_base_url=easel_simulator.url + "/easel"))
    wired.secrets = RotatingSecrets(easel_api_key=API_KEY)
    return wired


def paint(easel: Upstream, prompt: str) -> Says:
    body = easel.freeze(model="broad", route=None, input={"prompt": prompt}, callback_url=None)
    news = easel.submit(body, key="task_A:1", timeout_s=60).news
    assert news is not None
    assert news.outputs[0].url
    return news.says


def test_its_line_makes_it_known(services: Services, easel_simulator: Simulator) -> None:
    easel = services.upstream("easel")

    assert services.has_upstream("easel")
    assert services.offers("easel")
    assert easel.promises.synchronous
    assert paint(easel, "a red kite") is Says.SUCCEEDED
    assert easel_simulator.admin.totals()["billed"] == 1


def test_what_it_promises_holds_until_the_deployment_says_otherwise(services: Services) -> None:
    promised = services.limits_of("easel")
    services.settings = replace(services.settings, limits={"easel": Limits(account="easel", in_flight=5, per_minute=90)})

    assert promised == Limits(account="easel", in_flight=3, per_minute=60)
    assert services.limits_of("easel") == Limits(account="easel", in_flight=5, per_minute=90)
    assert services.limits_of("of nobody") == Limits(account="of nobody")


def test_its_case_is_the_one_on_the_page(easel_simulator: Simulator) -> None:
    case = line_of("Case", Case=Case, Easel=Easel)
    known = RotatingSecrets(**{case.key_field: API_KEY})
    easel = case.adapter(base_url=easel_simulator.url + case.prefix, secrets=known)

    body = easel.freeze(model=case.model, route=None, input={"prompt": "a red kite"}, callback_url=None)

    assert easel.submit(body, key="task_A:1", timeout_s=60).news.says is Says.SUCCEEDED


def test_the_page_explains_every_promise_and_shows_what_each_adapter_promises() -> None:
    before, _, _ = TEXT.partition("<!-- promises: begin -->")
    explained = " ".join(re.findall(r"^\| (`.*?`) \| ", before, re.MULTILINE))

    assert re.findall(r"\w+", explained) == [one.name for one in fields(Promises)]
    assert render(TEXT) == TEXT, "run `python -m local.promises_page`"


@pytest.mark.parametrize("account", accounts())
def test_the_settings_have_what_the_adapters_promise(account: str) -> None:
    required = ("DARKROOM_TABLE", "DARKROOM_BUCKET", "DARKROOM_QUEUE_URL", "DARKROOM_DEAD_LETTER_QUEUE_URL", "DARKROOM_SECRET_ID")
    limits = read_settings(dict.fromkeys(required, "x")).limits

    assert limits[account] == promised_limits(account)


def test_the_page_explains_every_method_of_an_upstream() -> None:
    methods = [name for name, one in vars(Upstream).items() if callable(one) and not name.startswith("_")]
    explained = re.search(r"\n\| Method \|.*?\n\n", TEXT, re.DOTALL)

    assert f"the {WORDS[len(methods)]} methods of `Upstream`" in TEXT
    assert explained
    assert re.findall(r"^\| `(\w+)` \|", explained[0], re.MULTILINE) == methods


def test_it_has_the_simulators_faults_in_its_own_words(services: Services, easel_simulator: Simulator) -> None:
    easel_simulator.admin.arm("create-402", match={"api": "easel"})

    with pytest.raises(UpstreamRefused) as caught:
        paint(services.upstream("easel"), "a red kite")

    assert (caught.value.reason, caught.value.code) == ("upstream_quota", "insufficient_quota")


def test_without_its_line_nobody_knows_it() -> None:
    wired = Services(SETTINGS)
    wired.secrets = RotatingSecrets()

    assert not wired.has_upstream("easel")
    with pytest.raises(ConfigurationError, match="'easel'; there are hiapi, "):
        wired.upstream("easel")


@pytest.mark.parametrize("name", ["hiapi_images", "hiapi_chat"])
@pytest.mark.parametrize("way", ["field", "merged"])
def test_a_deployment_decides_how_an_extra_body_is_sent(name: str, way: str) -> None:
    wired = Services(replace(SETTINGS, hiapi_extra_body=way))
    wired.secrets = RotatingSecrets()

    body = wired.upstream(name).freeze(model="m", route=None, input={"extra_body": {"seed": 7}}, callback_url=None)

    assert (b'"extra_body"' in body) is (way == "field")


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_route_is_taken_only_where_the_registry_says_so(name: str) -> None:
    wired = Services(SETTINGS)
    wired.secrets = RotatingSecrets()
    upstream = wired.upstream(name)

    if ADAPTERS[name].knows_routes:
        assert b"ext" in upstream.freeze(model="m", route="ext", input={"prompt": "a kite"}, callback_url=None)
    else:
        with pytest.raises(ConfigurationError, match="knows no routes"):
            upstream.freeze(model="m", route="ext", input={"prompt": "a kite"}, callback_url=None)


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_registered_upstream_is_built_once_and_keeps_its_name(name: str) -> None:
    wired = Services(SETTINGS)
    wired.secrets = RotatingSecrets()

    upstream = wired.upstream(name)

    assert upstream.name == name
    assert wired.upstream(name) is upstream
    assert "https://api." in repr(upstream)
