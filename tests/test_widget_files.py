"""What the browser is given: small, typed, cacheable, and nothing from anywhere else."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from xml.etree import ElementTree

import pytest
from aiohttp import ClientResponse, ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from bot.widget.serve import DEMO, HERE, lean, routes

Client = TestClient[web.Request, web.Application]
KILOBYTE = 1000
SCRIPTS = sorted(path.name for path in HERE.glob("*.js"))
SLUGS = sorted(path.stem for path in (DEMO / "products").glob("*.svg"))


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    application = web.Application()
    application.add_routes(routes())
    async with TestClient(TestServer(application)) as opened:
        yield opened


async def raw(client: Client, path: str, **headers: str) -> tuple[ClientResponse, bytes]:
    url = URL(str(client.make_url("/"))[:-1] + path, encoded=True)
    async with ClientSession(auto_decompress=False) as session, session.get(url, headers=headers) as response:
        return response, await response.read()


async def test_the_widget_is_at_most_fifteen_kilobytes_on_its_way(client: Client) -> None:
    total = 0
    for name in SCRIPTS:
        response, body = await raw(client, f"/widget/{name}", **{"Accept-Encoding": "gzip, br"})
        assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(body).decode() == lean((HERE / name).read_text("utf-8"))
        total += len(body)
    assert total <= 15 * KILOBYTE


async def test_every_module_that_is_imported_is_served(client: Client) -> None:
    imported = {name for script in SCRIPTS for name in re.findall(r"from '\./(\S+)'", (HERE / script).read_text())}
    assert imported | {"frontdesk.js"} == set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
async def test_scripts_are_for_every_page_and_asked_for_again(client: Client, name: str) -> None:
    response = await client.get(f"/widget/{name}")
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    again = await client.get(f"/widget/{name}", headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status, await again.read()) == (304, b"")
    other = await client.get(f"/widget/{name}", headers={"If-None-Match": '"of-another-version"'})
    assert other.status == 200


async def test_the_demo_page_allows_only_its_own_and_nobody_frames_it(client: Client) -> None:
    response = await client.get("/")
    policy = dict(rule.split(" ", 1) for rule in response.headers["Content-Security-Policy"].split("; "))
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert policy["default-src"] == policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    "path",
    ["/widget/serve.py", "/widget/__init__.py", "/widget/../serve.py", "/widget/%2e%2e/__init__.py", "/demo/",
     "/demo/index.html", "/demo/..%2fserve.py", "/demo/products/", "/demo/products/..%2f..%2f..%2fserve.py"],
)  # fmt: skip
async def test_no_address_leads_to_another_file(client: Client, path: str) -> None:
    response, _ = await raw(client, path)
    assert response.status == 404


async def test_every_product_of_the_page_and_of_the_orders_has_its_picture(client: Client) -> None:
    names = re.findall(r"\['([a-z-]+)', '([^']+)', ", (DEMO / "demo.js").read_text("utf-8"))
    assert len(names) >= 12
    for slug, name in names:
        assert slug == name.lower().replace(" ", "-")
        response = await client.get(f"/demo/products/{slug}.svg")
        assert (response.status, response.headers["Content-Type"]) == (200, "image/svg+xml")
    ordered = ["fjord-table-lamp", "cove-towel-set", "tarn-oak-table", "ember-cast-iron-pan", "hazel-chopping-board"]
    assert {*ordered, "clover-rug", "heron-desk", "heron-chair"} <= set(SLUGS)


def test_the_pictures_are_pictures_and_nothing_else() -> None:
    for path in DEMO.rglob("*.svg"):
        tags = {element.tag.split("}")[1] for element in ElementTree.parse(path).iter()}
        assert tags <= {"svg", "g", "rect", "circle", "ellipse", "path"}, path


def test_nothing_comes_from_another_place() -> None:
    for path in [*HERE.glob("*.js"), *(file for file in DEMO.rglob("*") if file.is_file())]:
        addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s'\"`)]*", path.read_text("utf-8")))
        assert addresses <= {"http://www.w3.org/2000/svg"}, path


def test_the_widget_never_parses_markup() -> None:
    for path in HERE.glob("*.js"):
        script = path.read_text("utf-8")
        for danger in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "srcdoc",
        ):
            assert danger not in script, path


def test_only_comments_and_indentation_are_left_out() -> None:
    script = """// a first line
/**
 * A block
 */
export const one = 'http://a.test/ // no comment'; // a comment
  const two = `x // y`;
  // a line
const three = { // why
"""
    assert (
        lean(script)
        == "\n\n\n\nexport const one = 'http://a.test/ // no comment';\nconst two = `x // y`;\n\nconst three = {\n"
    )


def test_the_documentation_names_every_attribute_property_and_module() -> None:
    page = (HERE.parents[1] / "docs" / "widget.md").read_text("utf-8")
    element, style = ((HERE / name).read_text("utf-8") for name in ("frontdesk.js", "style.js"))
    used = set(re.findall(r"getAttribute\('([a-z-]+)'", element)) | set(
        re.findall(r"\[([a-z-]+)=(?:dark|start)\]", style)
    )
    assert used == {"server", "title", "locale", "greeting", "color-scheme", "position"}
    assert used | {"open"} <= set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))
    assert set(re.findall(r"--frontdesk-[a-z-]+", style)) == set(re.findall(r"--frontdesk-[a-z-]+", page))
    for name, value in re.findall(r"(--frontdesk-[a-z-]+), (#\w+)\)", style):
        assert re.search(rf"`{name}` .*`{value}`", page), name
    assert set(re.findall(r"^\| `(\w+\.js)` \|", page, re.MULTILINE)) == set(SCRIPTS)
