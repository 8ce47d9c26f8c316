// SPDX-License-Identifier: Apache-2.0
// What is faster with a script; without it everything in the core path works as well.
// What lives here: keeping drafts at every tap, search while typing, progress of a sync, the glass for
// signatures, the lock. What must not: any rule; nothing is stored in the browser.
"use strict";
(() => {
  const base = document.body.dataset.base;
  const open = document.body.dataset.open === "1";
  const ask = (path, body, what) =>
    fetch(base + path, {
      method: body === undefined ? "GET" : "POST",
      body: body || undefined,
      headers: { "doorstep-script": "1", ...(what ? { "doorstep-seen": what } : {}) },
      redirect: "manual",
    });

  // -- the lock -------------------------------------------------------------------------------
  const IDLE_MS = 120000, HIDDEN_MS = 30000, TELL_MS = 20000, PICK_MS = 5000;
  let touched = Date.now(), told = Date.now(), hidden = 0;
  const leave = () => { document.body.replaceChildren(); location.replace(base + "/idle"); };
  const check = () => {
    const now = Date.now();
    if (now - touched >= IDLE_MS || (hidden && now - hidden >= HIDDEN_MS)) leave();
    else setTimeout(check, Math.max(500, Math.min(IDLE_MS - (now - touched), hidden ? HIDDEN_MS : IDLE_MS)));
  };
  const touch = () => {
    touched = Date.now();
    if (touched - told < TELL_MS) return;
    told = touched;
    ask("/seen", "").then((r) => { if (r.status === 403) leave(); }).catch(() => {});
  };
  if (open) {
    setTimeout(check, IDLE_MS);
    for (const kind of ["pointerdown", "keydown", "input"]) addEventListener(kind, touch, { passive: true });
    // A page that is left for the next one is no dark screen: told late, it would lock that one.
    let left = false, picked = 0;
    // Nor is the camera that a page opened: whoever takes a picture has the two minutes.
    addEventListener("click", (event) => { if (event.target.type === "file") { picked = Date.now(); ask("/seen", "").catch(() => {}); } }, true);
    addEventListener("pagehide", () => { left = true; });
    const seen = () => {
      if (document.hidden && Date.now() - picked < PICK_MS) return;
      if (document.hidden && !left) {
        hidden = Date.now();
        ask("/seen", "", "hidden").catch(() => {});
        setTimeout(check, HIDDEN_MS);
      } else if (!document.hidden) { check(); hidden = 0; touch(); }
    };
    // Whoever listens touches nothing either; a sound ends.
    for (const sound of document.querySelectorAll("audio")) sound.addEventListener("timeupdate", touch);
    document.addEventListener("visibilitychange", seen);
    if (document.hidden) seen();
    // A page that comes back out of the browser's memory may have been locked meanwhile.
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
    addEventListener("online", () => ask("/sync/signal", "").catch(() => {}));
  }
  document.documentElement.classList.add("scripted");
  for (const node of document.querySelectorAll(".script")) node.hidden = false;

  // -- drafts ---------------------------------------------------------------------------------
  const form = document.querySelector("form[data-keep]");
  let dirty = false, busy = false, keeping = false, timer = 0;
  const status = () => form.querySelector(".kept");
  const english = document.documentElement.lang === "en";
  const say = (zh, en) => { const at = status(); if (at) at.textContent = english ? en : zh; };
  const keep = async () => {
    if (busy) { dirty = true; return; }
    busy = true; dirty = false; keeping = true;
    const data = new FormData(form);
    keeping = false;
    for (const name of ["photo", "sound"]) data.delete(name);
    try {
      const answer = await fetch(form.dataset.keep, { method: "POST", body: data, headers: { "doorstep-script": "1" }, redirect: "manual" });
      if (answer.status === 204) say("已存好，随时可以关掉。", "Kept; you may close at any time.");
      else if (answer.type === "opaqueredirect") leave();
      else say("没有存上，请点“保存”。", "Not kept; press Save.");
    } catch { say("没有存上，请点“保存”。", "Not kept; press Save."); }
    busy = false;
    if (dirty) keep();
  };
  const upload = async (name, file) => {
    keeping = true;
    const data = new FormData(form);
    keeping = false;
    for (const other of ["photo", "sound", "signature"]) data.delete(other);
    data.set(name, file);
    const answer = await fetch(form.dataset.keep, { method: "POST", body: data, headers: { "doorstep-script": "1" }, redirect: "manual" }).catch(() => null);
    if (answer && answer.status === 204) say("附件已存好。", "The attachment is kept.");
    else say("这个附件用不了，请换一个。", "This file cannot be used; try another.");
    return Boolean(answer && answer.status === 204);
  };
  if (form) {
    const files = form.dataset.keep.includes("/visit/");
    form.addEventListener("change", async (event) => {
      const field = event.target;
      if (field.type !== "file") { clearTimeout(timer); keep(); return; }
      const [file] = field.files;
      if (!files || !file || !(await upload(field.name, file))) return;
      field.value = "";
      field.nextElementSibling.textContent = (english ? "Kept: " : "已存好：") + file.name;
    });
    form.addEventListener("input", (event) => {
      if (event.target.type === "text" || event.target.tagName === "TEXTAREA") {
        clearTimeout(timer); timer = setTimeout(keep, 600);
      }
    });
    form.addEventListener("submit", () => clearTimeout(timer));
  }

  // -- the glass ------------------------------------------------------------------------------
  const glass = document.querySelector(".glass");
  if (glass && form) {
    const pen = glass.getContext("2d");
    let drawn = false, down = false;
    const at = (event) => {
      const box = glass.getBoundingClientRect();
      return [(event.clientX - box.left) * glass.width / box.width, (event.clientY - box.top) * glass.height / box.height];
    };
    pen.lineWidth = 5; pen.lineCap = "round"; pen.lineJoin = "round"; pen.strokeStyle = "#000";
    glass.addEventListener("pointerdown", (event) => { glass.setPointerCapture(event.pointerId); down = true; pen.beginPath(); pen.moveTo(...at(event)); });
    glass.addEventListener("pointermove", (event) => { if (down) { pen.lineTo(...at(event)); pen.stroke(); drawn = true; } });
    glass.addEventListener("pointerup", () => { down = false; });
    document.querySelector("[data-wipe]").addEventListener("click", () => { pen.clearRect(0, 0, glass.width, glass.height); drawn = false; signature = null; });
    form.addEventListener("formdata", (event) => { if (signature && !keeping) event.formData.set("signature", signature, "signature.png"); });
    let signature = null;
    glass.addEventListener("pointerup", () => { if (drawn) glass.toBlob((blob) => { signature = blob; glass.dataset.drawn = "1"; }, "image/png"); });
  }

  // -- the recorder ---------------------------------------------------------------------------
  const recorder = document.querySelector("[data-record]");
  const KINDS = ["audio/ogg;codecs=opus", "audio/mp4", "audio/webm;codecs=opus"];
  const SOUND_MS = 300000, SOUND_BITS = 24000;
  if (recorder && form && !(window.MediaRecorder && navigator.mediaDevices)) recorder.remove();
  else if (recorder && form) {
    const label = recorder.querySelector("span"), words = label.textContent;
    let taking = null;
    recorder.addEventListener("click", async () => {
      if (taking) { taking.stop(); return; }
      let stream;
      try { stream = await navigator.mediaDevices.getUserMedia({ audio: true }); } catch {
        label.textContent = english ? "No microphone; choose a file" : "没有麦克风，请选文件"; return;
      }
      const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
      const parts = [], begun = Date.now();
      taking = new MediaRecorder(stream, { mimeType, audioBitsPerSecond: SOUND_BITS });
      // Whoever speaks touches nothing: the pages must not lock meanwhile.
      const clock = setInterval(() => {
        const s = Math.round((Date.now() - begun) / 1000);
        label.textContent = `${english ? "Stop" : "停止"} ${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
        touch();
        if (Date.now() - begun >= SOUND_MS) taking.stop();
      }, 500);
      taking.addEventListener("dataavailable", (event) => parts.push(event.data));
      taking.addEventListener("stop", async () => {
        clearInterval(clock);
        for (const track of stream.getTracks()) track.stop();
        taking = null;
        label.textContent = words;
        await upload("sound", new File(parts, "sound", { type: mimeType }));
      });
      taking.start();
    });
    // Out of sight the pages lock: what was said until then is kept first.
    document.addEventListener("visibilitychange", () => { if (document.hidden && taking) taking.stop(); });
  }

  // -- search, pad, position, progress ----------------------------------------------------------
  const live = document.querySelector("form[data-live]");
  if (live) {
    let wait = 0, last = 0;
    live.addEventListener("input", () => {
      clearTimeout(wait);
      wait = setTimeout(async () => {
        const mine = ++last;
        const answer = await ask("/search", new URLSearchParams(new FormData(live))).catch(() => null);
        if (answer && answer.ok && mine === last) document.getElementById(live.dataset.live).innerHTML = await answer.text();
      }, 120);
    });
  }
  for (const field of document.querySelectorAll(".pick input")) {
    const shown = field.nextElementSibling, words = shown.textContent;
    field.addEventListener("change", () => { shown.textContent = field.files.length ? field.files[0].name : words; });
  }
  for (const button of document.querySelectorAll("[data-take]")) {
    button.addEventListener("click", () => {
      const values = button.dataset.values.split(",");
      for (const field of form.querySelectorAll(`[name="${button.dataset.take}"]`)) {
        if (field.type === "checkbox") field.checked = values.includes(field.value);
        else field.value = values[0];
      }
      keep();
    });
  }
  for (const pad of document.querySelectorAll("[data-pad]")) {
    const field = document.getElementById(pad.dataset.pad);
    pad.addEventListener("click", (event) => {
      const key = event.target.closest("button");
      if (!key) return;
      field.value = key.dataset.key === "back" ? field.value.slice(0, -1) : field.value + key.textContent.trim();
    });
  }
  for (const button of document.querySelectorAll("[data-gps]")) {
    if (!navigator.geolocation) { (button.closest("[data-needs=gps]") || button).remove(); continue; }
    button.addEventListener("click", () => navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        const field = document.getElementById(button.dataset.gps);
        field.value = `${coords.latitude.toFixed(6)},${coords.longitude.toFixed(6)}`;
        field.dispatchEvent(new Event("change", { bubbles: true }));
      },
      () => { button.textContent = english ? "No position" : "没有定位"; },
      { enableHighAccuracy: true, timeout: 20000 },
    ));
  }
  const going = document.querySelector("[data-watch][data-running='1']");
  if (going) {
    // Only while a sync or a meeting runs: nothing is asked for otherwise.
    let shown = "";
    const watch = async () => {
      const answer = await ask(going.dataset.watch).catch(() => null);
      if (!answer || !answer.ok) { location.reload(); return; }
      const text = await answer.text();
      if (answer.headers.get("doorstep-running") !== "1") { location.reload(); return; }
      if (text !== shown) going.innerHTML = text;
      shown = text;
      setTimeout(watch, 700);
    };
    setTimeout(watch, 400);
  }
})();
