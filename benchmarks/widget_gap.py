"""How the widget takes a long absence: `python -m benchmarks.widget_gap [--entries N]`.

A real Chromium has one entry, comes back, and N are there. The service is the tests' stand-in, so that the widget's own
work is measured. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
from typing import Any

from playwright.async_api import Page, async_playwright

from tests.widget_browser import FLAGS
from tests.widget_service import FakeService, serving

WATCH = """(entries) => {
  const list = document.querySelector('frontdesk-chat').shadowRoot.querySelector('.list');
  const seen = { most: 0, longest: 0 };
  new PerformanceObserver((tasks) => {
    for (const { duration } of tasks.getEntries()) seen.longest = Math.max(seen.longest, duration);
  }).observe({ entryTypes: ['longtask'] });
  const heard = Object.getOwnPropertyDescriptor(WebSocket.prototype, 'onmessage');
  Object.defineProperty(WebSocket.prototype, 'onmessage', {
    set(then) {
      heard.set.call(this, (event) => {
        seen.from ??= performance.now(); // the welcome
        then(event);
      });
    },
  });
  window.whole = new Promise((done) => {
    new MutationObserver(() => {
      const rows = list.querySelectorAll('.row');
      seen.most = Math.max(seen.most, rows.length);
      if (rows.length < 2) return;
      const whole = rows[rows.length - 1].textContent.includes(`number ${entries},`);
      requestAnimationFrame(() => {
        seen.first ??= performance.now() - seen.from;
        if (whole) done({ ...seen, all: performance.now() - seen.from });
      });
    }).observe(list, { childList: true });
  });
}"""


async def measured(page: Page, service: FakeService, entries: int) -> Any:
    await page.goto(f"{service.url}/shop")
    await page.locator("frontdesk-chat .launcher").click()
    await service.until(lambda: service.conversations)
    await service.say("Message number 1, the only one that was seen.")
    await page.locator("frontdesk-chat .bot .said").wait_for()
    service.away = True
    service.cut()
    await service.until(lambda: not service.peers)
    for number in range(2, entries + 1):
        buttons = ["Yes", "No"] if number % 7 == 0 else []
        service.note(f"Message number {number}, about **order** LW-{number}.", rateable=True, buttons=buttons)
    await page.evaluate(WATCH, entries)
    service.away = False
    return await page.evaluate("window.whole")


async def main(entries: int) -> None:
    chromium = shutil.which("chromium")
    if not chromium:
        print("Not measured: there is no Chromium here.")
        return
    service = FakeService()
    async with serving(service) as service.url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        found = await measured(await browser.new_page(), service, entries)
        await browser.close()
    print(f"| {entries:,} missed entries | |\n|---|---|")
    print(f"| from the welcome to the first page on the screen | {found['first']:.0f} ms |")
    print(f"| to the newest entry | {found['all'] / 1000:.1f} s |")
    print(f"| longest time that the page did not react | {found['longest']:.0f} ms |")
    print(f"| messages in the page, at most | {found['most']} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=10_000)
    asyncio.run(main(parser.parse_args().entries))
