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

from bot.widget.script import lean, lean_style, script
from bot.widget.serve import DEMO, HERE, demo_files, demo_page, routes

Client = TestClient[web.Request, web.Application]
KILOBYTE = 1000
ADDRESS = "/widget/frontdesk.js"
SCRIPTS = sorted(path.name for path in HERE.glob("*.js"))
SLUGS = sorted(path.stem for path in (DEMO / "products").glob("*.svg"))


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    application = web.Application()
    application.add_routes([*routes(), *demo_files(), demo_page()])
    async with TestClient(TestServer(application)) as opened:
        yield opened


async def raw(client: Client, path: str, **headers: str) -> tuple[ClientResponse, bytes]:
    url = URL(str(client.make_url("/"))[:-1] + path, encoded=True)
    async with ClientSession(auto_decompress=False) as session, session.get(url, headers=headers) as response:
        return response, await response.read()


async def test_the_widget_is_one_file_of_at_most_fifteen_kilobytes(client: Client) -> None:
    response, body = await raw(client, ADDRESS, **{"Accept-Encoding": "gzip, br"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body).decode() == script(HERE / "frontdesk.js")
    assert len(body) <= 15 * KILOBYTE


def test_the_one_file_holds_every_module_once_and_no_name_twice() -> None:
    whole = script(HERE / "frontdesk.js")
    assert "import{" not in whole
    assert "from'" not in whole
    modules = "\n".join((HERE / name).read_text("utf-8") for name in SCRIPTS)
    named = re.findall(r"^((?:export )?(?:const|class|function) \w+)", modules, re.MULTILINE)
    assert len(named) == len({line.split()[-1] for line in named}) > 40
    for line in named:
        assert len(re.findall(rf"\b{line}\b", whole)) == 1, line


async def test_the_script_is_for_every_page_and_asked_for_again(client: Client) -> None:
    response = await client.get(ADDRESS)
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    again = await client.get(ADDRESS, headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status, await again.read()) == (304, b"")
    other = await client.get(ADDRESS, headers={"If-None-Match": '"of-another-version"'})
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
    ["/widget/serve.py", "/widget/client.js", "/widget/__init__.py", "/widget/../serve.py",
     "/widget/%2e%2e/__init__.py", "/demo/", "/demo/index.html", "/demo/..%2fserve.py",
     "/demo/products/", "/demo/products/..%2f..%2f..%2fserve.py"],
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


def test_what_only_readers_need_is_left_out() -> None:
    written = r"""// a first line
/**
 * A block
 */
export const one = 'http://a.test/ // no comment'; // a comment
  const two = `x  //  y`;

  // a line
const three = { // why
    four: a / 4 + b - -c, five: /[/ ] = `x` ' /g, six: "it's" };
  if (one !== two && !three) five((six) => six ?? 'a = b');
"""
    assert (
        lean(written)
        == r"""export const one='http://a.test/ // no comment';
const two=`x  //  y`;
const three={
four:a / 4 + b - -c,five:/[/ ] = `x` ' /g,six:"it's"};
if(one!==two&&!three)five((six)=>six??'a = b');
"""
    )


def test_a_style_sheet_keeps_what_it_means() -> None:
    written = "s(`\n  .a :is(.b, .c) > p {\n    margin: calc(1px + 2px);\n  }\n  /* why */\n  .d { color: red; }\n`);\n"
    assert lean_style(written) == "s(`\n  .a :is(.b,.c)>p{margin:calc(1px + 2px);}.d{color:red;}`);"


def test_the_documentation_names_every_attribute_property_and_module() -> None:
    page = (HERE.parents[1] / "docs" / "widget.md").read_text("utf-8")
    element, style = ((HERE / name).read_text("utf-8") for name in ("frontdesk.js", "style.js"))
    used = set(re.findall(r"getAttribute\('([a-z-]+)'", element)) | set(
        re.findall(r"\[([a-z-]+)=(?:dark|start)\]", style)
    )
    assert used == {"server", "title", "locale", "greeting", "color-scheme", "position", "customer"}
    assert used | {"open"} <= set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))
    assert set(re.findall(r"--frontdesk-[a-z-]+", style)) == set(re.findall(r"--frontdesk-[a-z-]+", page))
    for name, value in re.findall(r"(--frontdesk-[a-z-]+), (#\w+)\)", style):
        assert re.search(rf"`{name}` .*`{value}`", page), name
    assert set(re.findall(r"^\| `(\w+\.js)` \|", page, re.MULTILINE)) == set(SCRIPTS)
