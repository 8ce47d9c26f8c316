// SPDX-License-Identifier: Apache-2.0
// What pages can do with a little script: keys, and lists that show what is new. All pages work
// without it. What must not live here: anything that decides; forms are sent as they stand.
"use strict";

const typing = (target) =>
  target.closest("textarea, select, [contenteditable]") !== null ||
  (target.tagName === "INPUT" && !["checkbox", "radio"].includes(target.type));

// ---- keys ---------------------------------------------------------------------------------------

const rows = () => [...document.querySelectorAll("[data-rows] tbody tr[data-href]")];

function moveTo(row) {
  for (const other of rows()) {
    other.classList.toggle("on", other === row);
  }
  row.tabIndex = -1;
  row.focus();
  row.scrollIntoView({ block: "nearest" });
}

function step(by) {
  const all = rows();
  if (all.length === 0) {
    return false;
  }
  const at = all.findIndex((row) => row.classList.contains("on"));
  moveTo(all[Math.max(0, Math.min(all.length - 1, at + by))]);
  return true;
}

function follow(key) {
  const link = document.querySelector(`a[data-key="${key}"]`);
  if (link) {
    link.click();
  }
  return link !== null;
}

function focusOn(id, also) {
  const field = document.getElementById(id);
  if (field) {
    if (also) {
      document.getElementById(also).checked = true;
    }
    field.focus();
  }
  return field !== null;
}

function choose(number) {
  const radio = document.querySelector(`[data-choice="${number}"]`);
  if (radio) {
    radio.checked = true;
    radio.focus();
  }
  return radio !== null;
}

const current = () => document.querySelector("[data-rows] tr.on");

const KEYS = {
  j: () => step(1) || follow("j"),
  k: () => step(-1) || follow("k"),
  e: () => focusOn("value", "other"),
  r: () => focusOn("reason"),
  u: () => focusOn("undo"),
  x: () => {
    const tick = current()?.querySelector("input[type=checkbox]");
    if (tick) {
      tick.checked = !tick.checked;
    }
    return Boolean(tick);
  },
  Enter: () => {
    const row = current();
    if (row && document.activeElement === row) {
      location.assign(row.dataset.href);
      return true;
    }
    return false;
  },
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    document.querySelector("[data-submit]")?.click();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) {
    if (event.key === "Escape") {
      event.target.blur();
    }
    return;
  }
  const done = /^[1-9]$/.test(event.key) ? choose(event.key) : KEYS[event.key]?.();
  if (done) {
    event.preventDefault();
  }
});

// ---- lists that show what is new ------------------------------------------------------------------

async function refresh(live) {
  const ticked = new Set([...document.querySelectorAll("#rows input:checked")].map((t) => t.value));
  const row = current();
  const on = row?.dataset.href;
  const focused = row !== null && document.activeElement === row;
  const address = new URL(location.href);
  address.searchParams.set("part", "1");
  const answer = await fetch(address, { headers: { "doorstep-live": "1" }, redirect: "error" });
  if (!answer.ok) {
    return;
  }
  const box = document.getElementById("rows");
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of [document.getElementById("tabs"), box]) {
    part.replaceChildren(...fresh.getElementById(part.id).childNodes);
  }
  for (const tick of box.querySelectorAll("input[type=checkbox]")) {
    tick.checked = ticked.has(tick.value);
  }
  const again = rows().find((one) => one.dataset.href === on);
  again?.classList.add("on");
  if (again && focused) {
    // Enter opens the row that has the focus: it went with the row that was replaced.
    again.tabIndex = -1;
    again.focus({ preventScroll: true });
  }
  live.textContent = live.dataset.new;
}

const live = document.querySelector("[data-live]");
if (live && live.dataset.first) {
  const stream = new EventSource(`${live.dataset.live}?mark=${live.dataset.mark}`);
  stream.addEventListener("changed", () => refresh(live));
  stream.addEventListener("over", () => stream.close());
}

// ---- pages that wait for something ----------------------------------------------------------------

const waiting = document.querySelector("[data-again]");
if (waiting) {
  setTimeout(() => location.reload(), Number(waiting.dataset.again));
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
