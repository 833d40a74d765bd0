"""Scenarios 22 and 23 of the conformance list, and everything else that a picture's URL can lead to."""

from io import BytesIO

import httpx
import pytest
from PIL import Image


def opened(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    image.load()
    return image


def test_a_picture_has_the_asked_ratio_and_resolution(api):
    url = api.output_url(input={"prompt": "a kite", "aspect_ratio": "3:2", "resolution": "2K"})

    answer = api.http.get(url)

    assert opened(answer.content).size == (2048, 1365)
    assert answer.headers["Content-Type"] == "image/png"
    assert int(answer.headers["Content-Length"]) == len(answer.content)


def test_22_a_fresh_url_can_be_missing_for_a_moment(api, sim):
    url = api.output_url("[sim:download-404]")

    assert [api.http.get(url).status_code for _ in range(2)] == [404, 200]
    assert [row["status"] for row in next(iter(sim.admin.ledger()["tasks"].values()))["downloads"]] == [404, 200]


@pytest.mark.parametrize("status", [403, 404])
def test_23_an_expired_url_stays_dead_and_a_new_look_gives_a_working_one(api, sim, status):
    sim.admin.arm("download-expired", status=status)
    task = api.make()
    dead = task["output"][0]["url"]
    tried = [api.http.get(dead).status_code for _ in range(2)]

    fresh = api.look(task["taskId"])["output"][0]["url"]

    assert tried == [status, status]
    assert fresh != dead
    assert api.http.get(fresh).status_code == 200
    assert api.http.get(dead).status_code == status


def test_23_every_fresh_url_can_be_dead_too(api):
    task = api.make("[sim:download-expired-always]")

    for _ in range(3):
        url = api.look(task["taskId"])["output"][0]["url"]
        assert api.http.get(url).status_code == 403


def test_23_outputs_expire_after_seven_days(api, sim):
    url = api.output_url()

    sim.admin.jump(7 * 24 * 3600)

    assert api.http.get(url).status_code == 403


def test_a_download_can_break_in_the_middle(api, sim):
    url = api.output_url()
    sim.admin.arm("download-broken", after=1000)

    with pytest.raises(httpx.RemoteProtocolError, match="1000 bytes"):
        api.http.get(url)

    assert opened(api.http.get(url).content)


def test_a_download_can_be_slow(api, sim):
    url = api.output_url()
    whole = api.http.get(url)
    sim.admin.arm("download-slow", bytes_per_second=len(whole.content) * 2)

    slow = api.http.get(url)

    assert slow.content == whole.content
    assert slow.elapsed.total_seconds() > 0.35


def test_a_download_can_lack_its_length(api):
    answer = api.http.get(api.output_url("[sim:download-chunked]"))

    assert "Content-Length" not in answer.headers
    assert opened(answer.content)


@pytest.mark.parametrize("content_type", ["text/html", "image/png"])
def test_a_download_can_be_no_picture(api, sim, content_type):
    sim.admin.arm("download-not-image", content_type=content_type)

    answer = api.http.get(api.output_url())

    assert answer.headers["Content-Type"] == content_type
    assert b"<!doctype html>" in answer.content


def test_a_download_can_redirect_to_a_working_copy_or_anywhere(api, sim):
    url = api.output_url()
    sim.admin.arm("download-redirect")
    sim.admin.arm("download-redirect", location="http://169.254.169.254/")

    followed = api.http.get(url, follow_redirects=True)
    elsewhere = api.http.get(url)

    assert [answer.status_code for answer in followed.history] == [302]
    assert opened(followed.content)
    assert elsewhere.headers["Location"] == "http://169.254.169.254/"


@pytest.mark.parametrize("format_", ["png", "jpeg", "webp", "avif", "gif"])
def test_a_picture_can_have_any_format(api, format_):
    answer = api.http.get(api.output_url(f"[sim:output-format format={format_}]"))

    assert answer.headers["Content-Type"] == f"image/{format_}"
    assert opened(answer.content).format.lower() == format_


def test_a_model_with_an_output_format_gives_it(api):
    url = api.output_url(model="Nano-Banana-2", input={"prompt": "a kite", "output_format": "jpg"})

    assert url.endswith(".jpg")
    assert opened(api.http.get(url).content).format == "JPEG"


@pytest.mark.parametrize(("fault", "size"), [("output-padded", 30_000_000), ("output-oversized", 48 * 1024 * 1024)])
def test_a_large_picture_is_valid_and_has_exactly_that_size(api, fault, size):
    content = api.http.get(api.output_url(f"[sim:{fault}]")).content

    assert len(content) == size
    assert opened(content).size == (1024, 1024)


def test_a_padded_picture_of_another_format_is_valid_too(api):
    prompt = "[sim:output-padded bytes=500000] [sim:output-format format=webp]"

    content = api.http.get(api.output_url(prompt)).content

    assert len(content) == 500_000
    assert opened(content).format == "WEBP"


@pytest.mark.parametrize(
    ("marker", "types"),
    [
        ("output-empty", []),
        ("output-other-type type=video", ["video"]),
        ("output-extra type=first_frame", ["first_frame", "image"]),
        ("output-several n=3", ["image", "image", "image"]),
    ],
)
def test_a_success_can_hold_no_image_or_several(api, marker, types):
    task = api.make(f"[sim:{marker}]")

    assert task["status"] == "success"
    assert [output["type"] for output in task["output"]] == types


def test_several_images_differ(api):
    task = api.make("a kite [sim:output-several n=2]")

    first, second = (api.http.get(output["url"]).content for output in task["output"])

    assert first != second


def test_a_success_can_lack_its_output(api):
    assert "output" not in api.make("[sim:output-missing]")


def test_an_output_url_can_lead_inside_or_hold_the_picture(api):
    inside = api.output_url("[sim:output-url]")
    inline = api.output_url("[sim:output-data-uri]")

    assert inside.startswith("http://169.254.169.254/")
    assert inline.startswith("data:image/png;base64,")


@pytest.mark.parametrize(("form", "kind"), [("ms", int), ("iso", str), ("absent", type(None))])
def test_the_expiry_has_each_form_that_was_seen(api, form, kind):
    output = api.make(f"[sim:output-expiry form={form}]")["output"][0]

    assert isinstance(output.get("expireAt"), kind)
    assert form != "ms" or output["expireAt"] > 10**12


@pytest.mark.parametrize("path", ["tk-hiapi-nobody/0.png", "{id}/1.png", "{id}/0.jpg", "{id}/r2/0.png"])
def test_a_path_that_no_task_showed_is_not_found(api, path):
    task = api.make()

    assert api.http.get("/outputs/" + path.format(id=task["taskId"])).status_code == 404


def test_the_ledger_counts_downloads(api, sim):
    url = api.output_url()

    sizes = [len(api.http.get(url).content) for _ in range(2)]

    row = next(iter(sim.admin.ledger()["tasks"].values()))
    assert [each["bytes"] for each in row["downloads"]] == sizes
    assert sim.admin.totals()["downloads"] == 2
