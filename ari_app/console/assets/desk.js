"use strict";
const live = document.getElementById("live");

function said(state, text) { live.className = state; live.textContent = text; }

function show(parts) {
  for (const [id, html] of Object.entries(parts)) {
    const part = document.getElementById(id);
    if (!part) continue;
    const places = new Map();
    for (const list of part.querySelectorAll(".transcript")) {
      const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 8;
      places.set(list.parentElement.id, atEnd ? null : list.scrollTop);
    }
    const focused = part.contains(document.activeElement) ? document.activeElement.closest("[id]") : null;
    part.innerHTML = html;
    for (const list of part.querySelectorAll(".transcript")) {
      const place = places.get(list.parentElement.id);
      list.scrollTop = place === undefined || place === null ? list.scrollHeight : place;
    }
    if (focused && focused !== part) document.getElementById(focused.id)?.querySelector("[tabindex], button")?.focus();
  }
  const count = document.querySelectorAll("#calls article").length;
  document.title = (count ? `(${count}) ` : "") + document.body.dataset.name;
  tick();
}

function tick() {
  for (const time of document.querySelectorAll("time[data-since]")) {
    const seconds = Math.max(0, Math.floor((Date.now() - skew - Date.parse(time.dataset.since)) / 1000));
    time.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
  const now = new Date(Date.now() - skew + offset);
  document.getElementById("clock").textContent = now.toISOString().slice(11, 16);
}

// The business's clock, not this browser's.
const shown = document.body.dataset.now;
const skew = Date.now() - Date.parse(shown);
const offset = Date.parse(shown.slice(0, 19) + "Z") - Date.parse(shown);

const source = new EventSource("stream");
source.onopen = () => said("on", "live");
source.onerror = () => said("off", "connection lost, trying again");
source.onmessage = (event) => show(JSON.parse(event.data));
for (const list of document.querySelectorAll(".transcript")) list.scrollTop = list.scrollHeight;
show({});
setInterval(tick, 1000);
