// Keeps the live parts of a page fresh, and sends an answer with Ctrl+Enter.

const LIVE_MS = 2000;

async function refresh(part) {
  const answer = await fetch(part.dataset.live, { credentials: "same-origin" });
  if (answer.status === 401) return location.reload();
  if (!answer.ok) return;
  const html = await answer.text();
  if (html !== part.dataset.shown && !part.contains(document.activeElement)) {
    // Our own template, escaped by the server: the same markup that the page was born with.
    const chosen = Array.from(part.querySelectorAll("select"), ({ id, value }) => [id, value]);
    part.innerHTML = html;
    for (const [id, value] of chosen) choose(document.getElementById(id), value);
    part.dataset.shown = html;
  }
}

// What was chosen and not sent yet stays chosen.
function choose(select, value) {
  const option = Array.from(select?.options ?? []).find((one) => one.value === value);
  if (option) option.selected = true;
}

for (const part of document.querySelectorAll("[data-live]")) {
  setInterval(() => document.hidden || refresh(part).catch(() => {}), LIVE_MS);
}

document.querySelector(".reply textarea")?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit();
});

// The review: a key is a button. Without this script the buttons do the same.
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=checkbox]), select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (typing && event.key === "Escape") event.target.blur();
  const beside = event.key === "Enter" && event.target.matches(".other input") && event.target.closest(".other").querySelector("button");
  if (beside) {  // else the form's first button is pressed
    event.preventDefault();
    return beside.click();
  }
  if (event.key === " " && event.target.matches("button, a, summary")) return;  // it presses that one
  const wanted = !typing && document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!wanted) return;
  event.preventDefault();
  if (wanted.matches("select, input:not([type=checkbox])")) wanted.focus();
  else wanted.click();
});
