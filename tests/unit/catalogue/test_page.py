"""docs/models.md: its tables are the catalogue's, and its examples are accepted."""

import json
import re

from darkroom.adapters.upstreams.registry import routed
from darkroom.catalogue.choosing import choose_model
from darkroom.catalogue.live import over
from darkroom.catalogue.load import load_catalogue, shipped
from darkroom.catalogue.offers import NEUTRAL
from local.models_page import PAGE, render

TEXT = PAGE.read_text("utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)


def test_the_tables_are_the_catalogues() -> None:
    assert render(TEXT, load_catalogue()) == TEXT, "run `python -m local.models_page`"


def test_every_neutral_field_is_explained() -> None:
    assert [name for name in NEUTRAL if f"\n| `{name}` |" not in TEXT] == []


def test_the_request_becomes_what_the_page_says() -> None:
    asked = json.loads(EXAMPLES[0])
    reaches = json.loads(re.search(r"reaches that model as `(.*?)`", TEXT)[1])

    understood = choose_model(load_catalogue(), asked["model"], None, offered=lambda _: True).understand(asked["input"])

    assert (understood.input, understood.faults) == (reaches, ())


def test_the_deployments_own_object_is_accepted() -> None:
    catalogue = over(shipped(), EXAMPLES[1].encode(), routed())

    assert catalogue.presets["poster"].version == 2
    assert "z-image" not in catalogue.models
    assert "seed" in catalogue.models["qwen-image-3.0/text-to-image"].routes["default"].takes
