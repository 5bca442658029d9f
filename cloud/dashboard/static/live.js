// Keeps a page live: one event stream, told to htmx and the charts as DOM events on <body>.
//
//   plenum-raw:KIND   every event, for charts.js          plenum:KIND   at most one in 1.5 s, the last one never lost, for htmx
"use strict";
(() => {
  const body = document.body;
  const live = document.getElementById("live");
  const words = document.getElementById("live-words");
  const day = document.getElementById("plant-day");
  const clock = document.getElementById("plant-clock");
  const toasts = document.getElementById("toasts");
  const QUIET_MS = 1500;
  const TOASTS_MAX = 3;

  // The plant's clock, which may run faster than ours: its time when the page was made, and how long ago that is.
  const origin = { plant: Number(body.dataset.plantMs), page: performance.now(), speed: Number(body.dataset.speed) };
  const plantNow = () => origin.plant + (performance.now() - origin.page) * origin.speed;
  window.plenum = { plantNow };

  const tick = () => {
    const text = new Date(plantNow()).toISOString();
    day.textContent = text.slice(0, 10);
    clock.textContent = text.slice(11, 19);
  };
  setInterval(tick, origin.speed === 1 ? 1000 : 250);

  const say = (state, text) => {
    live.dataset.state = state;
    words.textContent = text;
  };

  const waiting = new Map();
  const tell = (kind) => {
    if (waiting.has(kind)) {
      waiting.set(kind, true);
      return;
    }
    body.dispatchEvent(new CustomEvent(`plenum:${kind}`));
    waiting.set(kind, false);
    setTimeout(() => {
      const again = waiting.get(kind);
      waiting.delete(kind);
      if (again) tell(kind);
    }, QUIET_MS);
  };

  const announced = new Set();
  const announce = (alert, key) => {
    if (alert.state !== "open" || announced.has(alert.alert_id)) return;
    announced.add(alert.alert_id);
    const link = document.createElement("a");
    link.href = `/alerts/${encodeURIComponent(alert.alert_id)}`;
    link.className = `toast sev-edge-${alert.severity === "critical" ? "critical" : alert.severity === "warning" ? "warning" : "info"}`;
    const title = document.createElement("b");
    title.textContent = alert.title;
    const where = document.createElement("span");
    where.textContent = key;
    link.append(title, where);
    toasts.append(link);
    while (toasts.children.length > TOASTS_MAX) toasts.firstElementChild.remove();
    setTimeout(() => link.remove(), 12000);
  };

  const askAgain = () => {
    body.dispatchEvent(new CustomEvent("plenum-raw:reset"));
    tell("reset");
  };

  const kinds = body.dataset.kinds;
  const query = new URLSearchParams({ kinds });
  if (body.dataset.unit) query.set("unit", body.dataset.unit);
  let source = null;
  const connect = () => {
    source = new EventSource(`/v1/events?${query}`);
    source.onopen = () => say("on", "Live");
    source.onerror = () => {
      say("off", "Reconnecting");
      if (source === null || source.readyState !== EventSource.CLOSED) return;
      // The server refused: perhaps the session has ended.
      setTimeout(() => {
        fetch("/v1/gateways", { credentials: "same-origin" }).then((answer) => {
          if (answer.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
          else connect();
        }, connect);
      }, 3000);
    };
    for (const kind of kinds.split(",")) {
      source.addEventListener(kind, (event) => {
        const data = JSON.parse(event.data);
        if (kind === "alert") announce(data.payload, data.key);
        body.dispatchEvent(new CustomEvent(`plenum-raw:${kind}`, { detail: data }));
        tell(kind);
      });
    }
    // Something was missed: whatever the page shows is asked for again.
    source.addEventListener("reset", askAgain);
    source.addEventListener("hello", () => say("on", "Live"));
  };
  connect();

  // A browser keeps at most six connections to a server: a tab that nobody looks at gives its own back.
  let hiding = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) {
      hiding = setTimeout(() => {
        source.close();
        source = null;
        say("waiting", "Paused");
      }, 30000);
    } else if (source === null) {
      connect();
      askAgain();
    }
  });
})();
