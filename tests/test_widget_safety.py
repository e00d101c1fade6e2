"""Nothing that a customer, an agent or a model writes can run as code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.widget_service import FakeService

if TYPE_CHECKING:
    from tests.widget_browser import Chat, Visitors

pytest_plugins = ("tests.widget_browser",)
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

P = "window.__pwned=1"
MARKUP = [
    f"<script>{P}</script>",
    f"<img src=x onerror={P}>",
    f"<img src=x onerror='{P}'//",
    f"<svg onload={P}>",
    f"<svg><script>{P}</script></svg>",
    f"<svg><animate onbegin={P} attributeName=x dur=1s>",
    f"<svg><a xlink:href=javascript:{P}><text>x</text></a></svg>",
    f"<math><maction actiontype=statusline xlink:href=javascript:{P}>x</maction></math>",
    f"<iframe src=javascript:{P}></iframe>",
    f"<iframe srcdoc='<script>parent.{P}</script>'></iframe>",
    f"<object data=javascript:{P}></object>",
    f"<embed src=javascript:{P}>",
    f"<body onload={P}>",
    f"<video><source onerror={P}></video>",
    f"<audio src=x onerror={P}>",
    f"<details open ontoggle={P}>x</details>",
    f"<input autofocus onfocus={P}>",
    f"<select autofocus onfocus={P}>",
    f"<marquee onstart={P}>x</marquee>",
    f"<style>@import 'javascript:{P}'</style>",
    f"<style onload={P}></style>",
    f"<link rel=stylesheet href=javascript:{P}>",
    f"<meta http-equiv=refresh content='0;url=javascript:{P}'>",
    f"<base href=javascript:{P}//>",
    f"<form action=javascript:{P}><button>x</button></form>",
    f"<button formaction=javascript:{P}>x</button>",
    f"<noscript><p title='</noscript><img src=x onerror={P}>'>",
    f"<template><script>{P}</script></template>",
    f"<a href=javascript:{P}>x</a>",
    f"<x contenteditable onblur={P} tabindex=1 autofocus>x</x>",
    f"</span></div></dialog><script>{P}</script>",
    f"--><script>{P}</script><!--",
    f"]]><script>{P}</script>",
    f"'\"><img src=x onerror={P}>",
    f"&lt;script&gt;{P}&lt;/script&gt;",
    f"\\<img src=x onerror={P}\\>",
    f"`<img src=x onerror={P}>`",
    f"```\n<script>{P}</script>\n```",
    f"**<img src=x onerror={P}>**",
    f"- <img src=x onerror={P}>",
    f"{{{{constructor.constructor('{P}')()}}}}",
    f"${{{P}}}",
]
ADDRESSES = [
    f"javascript:{P}",
    f"JaVaScRiPt:{P}",
    f" javascript:{P}",
    f"java\tscript:{P}",
    f"java\nscript:{P}",
    f"\x01javascript:{P}",
    f"javascript://x%0a{P}",
    f"javascript&colon;{P}",
    f"vbscript:{P}",
    f"data:text/html,<script>{P}</script>",
    f"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='{P}'/>",
    f"blob:http://127.0.0.1/{P}",
    "file:///etc/passwd",
    f"view-source:javascript:{P}",
    f"feed:javascript:{P}",
    f'" onclick="{P}" x="',
    f"https://a.test/\" onmouseover=\"{P}",
    "//a.test/x",
    "http://[",
    "about:blank",
]  # fmt: skip
LINKS = [
    *(f"[x]({address})" for address in ADDRESSES),
    *(f"![x]({address})" for address in ADDRESSES),
    *(f"[x](<{address}>)" for address in ADDRESSES),
    *(f"<{address}>" for address in ADDRESSES),
    f'[a](https://a.test "t" onclick={P})',
    f"[<img src=x onerror={P}>](https://a.test)",
    f"[[x](javascript:{P})](/a)",
]
LONG = ["*", "_", "[", "`", "**a ", "*_", "- ", "```\n", "https://", "\\", "(((", "> ", "1. ", "[a](", "**_`["]

INSPECT = """async () => {
  const root = document.querySelector('frontdesk-chat').shadowRoot;
  const all = [...root.querySelectorAll('*')];
  const links = all.filter((node) => node.matches('a'));
  for (const node of links) {
    node.addEventListener('click', (event) => event.preventDefault());
    node.click();
    node.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
  }
  await new Promise((done) => setTimeout(done, 50));
  const schemes = (name) => all.filter((node) => node.hasAttribute(name)).map((node) => new URL(node[name]).protocol);
  return {
    pwned: window.__pwned ?? null,
    tags: [...new Set(all.map((node) => node.localName))],
    handlers: all.flatMap((node) => [...node.attributes].filter((a) => a.name.startsWith('on')).map((a) => a.name)),
    styles: all.filter((node) => node.hasAttribute('style') && !node.matches('dialog, textarea')).length,
    schemes: [...new Set([...schemes('href'), ...schemes('src')])],
    rels: links.every((node) => node.rel === 'noopener' && node.target === '_blank'),
  };
}"""
TAGS = {
    "div", "button", "svg", "path", "p", "dialog", "header", "footer", "h2", "span", "form", "textarea", "i", "time",
    "a", "img", "strong", "em", "code", "pre", "ul", "ol", "li",
}  # fmt: skip


async def opened(visitors: Visitors, service: FakeService) -> Chat:
    """On a page without a policy of its own, so that code would run if it were code."""
    chat = await visitors.visitor("/elsewhere")
    await chat.page.route("**/a.test/**", lambda route: route.abort())
    await chat.open()
    await service.until(lambda: service.conversations)
    return chat


async def is_harmless(chat: Chat) -> None:
    found: dict[str, Any] = await chat.page.evaluate(INSPECT)
    assert found["pwned"] is None
    assert set(found["tags"]) <= TAGS
    assert found["handlers"] == []
    assert found["styles"] == 0
    assert set(found["schemes"]) <= {"http:", "https:", "mailto:"}
    assert found["rels"]
    assert chat.page.url.endswith("/elsewhere")


async def test_the_page_would_run_it_if_it_were_markup(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    ran = await chat.page.evaluate(
        """(markup) => new Promise((done) => {
          document.body.insertAdjacentHTML('beforeend', markup);
          document.body.lastChild.addEventListener('error', () => done(window.__pwned));
        })""",
        MARKUP[1],
    )
    assert ran == 1


async def test_markup_in_any_text_is_text(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    for author in ("bot", "agent", "system", "user"):
        for payload in MARKUP:
            own = {"id": f"{author}-{len(service.log)}"} if author == "user" else {}
            service.note(payload, author=author, **own)
    service.cut()
    await expect(chat[".row"]).to_have_count(4 * len(MARKUP))
    await is_harmless(chat)
    assert await chat[".user .said"].all_text_contents() == MARKUP
    shown = await chat[".bot .said"].all_text_contents()
    assert all(P in text for text in shown)


async def test_markup_in_titles_and_cards_is_text(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    for payload in MARKUP:
        card = {"title": payload, "subtitle": payload, "image": payload, "url": payload, "buttons": [payload]}
        source = {"title": payload, "url": payload}
        service.note(payload, buttons=[payload], image=payload, cards=[card], source=source, rateable=True)
    service.cut()
    await expect(chat[".card"]).to_have_count(len(MARKUP))
    await is_harmless(chat)
    assert await chat[".row > .choices .choice"].all_text_contents() == MARKUP
    assert await chat[".card strong"].all_text_contents() == MARKUP


async def test_an_address_that_could_run_code_is_not_followed(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    for address in ADDRESSES:
        card = {"title": "card", "subtitle": "", "image": address, "url": address, "buttons": []}
        source = {"title": "source", "url": address}
        service.note("x", image=address, cards=[card], source=source)
    for text in LINKS:
        service.note(text)
    service.cut()
    await expect(chat[".row"]).to_have_count(len(ADDRESSES) + len(LINKS))
    await is_harmless(chat)
    for index, address in enumerate(ADDRESSES[:9]):
        if "&colon;" in address:  # a name of its own, relative to the service
            continue
        assert await chat[".row"].nth(index).locator("a, img").count() == 0, address


async def test_markup_from_the_service_itself_is_text(visitors: Visitors, service: FakeService) -> None:
    payload = MARKUP[1]
    service.welcome["name"] = payload
    service.refusals = [{"code": payload, "message": payload}, {"code": payload, "message": payload, "retry_after": 60}]
    chat = await opened(visitors, service)
    await chat.write(payload)
    await expect(chat[".failed"]).to_be_visible()
    await chat.write(payload)
    await expect(chat[".notice"]).to_have_text(payload)
    await expect(chat["h2"]).to_have_text(payload)
    await is_harmless(chat)


async def test_markdown_becomes_what_it_means(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    cases = {
        "**bold**, *soft*": "<p><strong>bold</strong>, <em>soft</em></p>",
        "__bold__, _soft_": "<p><strong>bold</strong>, <em>soft</em></p>",
        "**b _s_**": "<p><strong>b <em>s</em></strong></p>",
        "one\ntwo\n\nthree": "<p>one\ntwo</p><p>three</p>",
        "- a\n- **b**": "<ul><li>a</li><li><strong>b</strong></li></ul>",
        "- a\n\n1. c\n2. d": '<ul><li>a</li></ul><ol start="1"><li>c</li><li>d</li></ol>',
        "3. c\n   goes on": '<ol start="3"><li>c goes on</li></ol>',
        "use `a*b*` now": "<p>use <code>a*b*</code> now</p>",
        "```\na **b**\n```\nafter": "<pre><code>a **b**</code></pre><p>after</p>",
        "# Title": "<p><strong>Title</strong></p>",
        "snake_case_name and 2 * 3 * 4": "<p>snake_case_name and 2 * 3 * 4</p>",
        r"\*not\* bold": "<p>*not* bold</p>",
        "[us](/help) [mail](mailto:a@b.c)": (
            f'<p><a href="{service.url}/help" target="_blank" rel="noopener">us</a>'
            ' <a href="mailto:a@b.c" target="_blank" rel="noopener">mail</a></p>'
        ),
        "see https://a.test/x_y_z.": (
            '<p>see <a href="https://a.test/x_y_z" target="_blank" rel="noopener">https://a.test/x_y_z</a>.</p>'
        ),
        "[x](javascript:alert)": "<p><span>x</span></p>",
        "**open": "<p>**open</p>",
    }  # fmt: skip
    for text in cases:
        await service.say(text)
    await expect(chat[".bot .said"]).to_have_count(len(cases))
    shown = await chat[".bot .said"].evaluate_all("nodes => nodes.map((node) => node.innerHTML)")
    assert dict(zip(cases, shown, strict=True)) == cases


@pytest.mark.parametrize("piece", LONG)
async def test_no_text_keeps_the_page_busy(visitors: Visitors, service: FakeService, piece: str) -> None:
    chat = await opened(visitors, service)
    await service.say(piece * (20_000 // len(piece)))
    await service.say("the page still answers")
    await expect(chat[".said"]).to_have_count(2)


async def test_frames_that_nobody_knows_are_passed_over(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    for frame in (
        {"type": "fireworks"},
        {"type": "constructor"},
        {"type": "toString"},
        {"type": "__proto__"},
        {"x": 1},
    ):
        await service.tell(frame)
    await service.say("still here")
    await chat.shows("still here")


async def test_other_scripts_emoji_and_long_words_are_shown_as_they_are(
    visitors: Visitors, service: FakeService
) -> None:
    chat = await opened(visitors, service)
    texts = [
        "您好，我的订单在哪里？",
        "أين طلبي؟",
        "👩‍👩‍👧‍👦 🇩🇪",
        "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞a̴̵̞lgo",
        "W" * 500,
        "a\u202eb",
        "'; DROP TABLE users;--",
        "\u0000null",
    ]
    for text in texts:
        await service.say(text)
    await expect(chat[".said"]).to_have_count(len(texts))
    assert await chat[".said"].all_text_contents() == texts
    assert await chat[".log"].evaluate("log => log.scrollWidth <= log.clientWidth")
