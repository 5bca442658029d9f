// Charts of a unit: traces and scores by uPlot, moved by the event stream, gaps kept as gaps.
"use strict";
(() => {
  const root = document.getElementById("charts");
  if (!root) return;
  const HOUR_MS = 3600 * 1000;
  const MINUTE_MS = 60 * 1000;
  // Live samples are added one by one only while a chart shows samples; means are asked for again.
  const TAIL_MS = 5000;
  const groups = JSON.parse(root.dataset.charts);
  const unit = root.dataset.unit;
  const isLive = root.dataset.live === "true";
  const problem = document.getElementById("chart-error");
  const narrow = matchMedia("(max-width: 640px)");

  let hours = 1;
  let zoom = isLive ? null : [Number(root.dataset.from), Number(root.dataset.to)];
  const home = zoom;
  let resolution = "raw";
  let traces = { at: [], values: new Map() };
  let health = [];
  let loads = 0;
  const charts = [];

  // --- what is drawn ---

  const scoreChart = {
    id: "score", unit: "", low: 0, high: 1.25, level: 1, source: "health",
    lines: [{ label: "Anomaly score", digits: 2, slot: 0, pick: (h) => h.anomaly_score, fill: true }],
  };
  const risk = (horizon) => (h) => {
    const found = h.risks.find((r) => r.horizon_hours === horizon);
    return found ? found.failure_probability * 100 : null;
  };
  const riskChart = {
    id: "risk", unit: "%", low: 0, high: 10, source: "health",
    lines: [
      { label: "within 24 h", digits: 0, slot: 3, pick: risk(24) },
      { label: "within 7 days", digits: 0, slot: 1, pick: risk(168) },
    ],
  };
  const all = [scoreChart, riskChart, ...groups].filter((g) => root.querySelector(`[data-chart="${CSS.escape(g.id)}"]`));

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const span = () => {
    if (zoom) return zoom;
    const newest = Math.max(traces.at.length ? traces.at[traces.at.length - 1] : 0, window.plenum.plantNow());
    const oldest = newest - hours * HOUR_MS;
    // A unit that is younger than the range fills the width with what there is.
    const first = traces.at.length ? traces.at[0] : oldest;
    return [Math.max(oldest, Math.min(first, newest - 10 * MINUTE_MS)), newest];
  };

  const columns = (group) => {
    if (group.source === "health") {
      const x = [];
      const ys = group.lines.map(() => []);
      let before = null;
      for (const h of health) {
        if (before !== null && h.measured_at_ms - before > 5 * MINUTE_MS) {
          x.push((before + MINUTE_MS) / 1000);
          ys.forEach((y) => y.push(null));
        }
        x.push(h.measured_at_ms / 1000);
        group.lines.forEach((line, i) => ys[i].push(line.pick(h)));
        before = h.measured_at_ms;
      }
      return [x, ...ys];
    }
    const x = traces.at.map((at) => at / 1000);
    return [x, ...group.lines.map((line) => {
      const column = traces.values.get(line.point);
      return column ? column.map((v) => (v === null ? null : v * line.factor)) : x.map(() => null);
    })];
  };

  // Stretches in which no point has a value, [from, to] in ms, up to now if nothing comes any more.
  const gaps = () => {
    const found = [];
    const { at, values } = traces;
    const lines = [...values.values()];
    let begin = null;
    for (let i = 0; i < at.length; i++) {
      const empty = lines.every((line) => line[i] === null);
      if (empty && begin === null) begin = i ? at[i - 1] : at[i];
      if (!empty && begin !== null) {
        found.push([begin, at[i]]);
        begin = null;
      }
    }
    const newest = at.length ? at[at.length - 1] : null;
    if (begin !== null) found.push([begin, Infinity]);
    else if (isLive && newest !== null && window.plenum.plantNow() - newest > 10 * MINUTE_MS) found.push([newest, Infinity]);
    return found;
  };

  const episodes = () => {
    const holder = document.getElementById("episodes");
    return holder ? JSON.parse(holder.dataset.episodes) : [];
  };

  const shade = (u, from, to, colour, height = u.bbox.height) => {
    const [low, high] = [u.scales.x.min, u.scales.x.max];
    const a = Math.max(from / 1000, low);
    const b = Math.min(to / 1000, high);
    if (!(b > a)) return;
    const x = u.valToPos(a, "x", true);
    u.ctx.fillStyle = colour;
    u.ctx.fillRect(x, u.bbox.top, Math.max(u.valToPos(b, "x", true) - x, 1), height);
  };

  const background = (u) => {
    u.ctx.save();
    for (const [from, to] of gaps()) shade(u, from, to, css("--gap"));
    for (const e of episodes()) {
      const to = e.to === null ? (e.active ? Infinity : e.from) : e.to;
      const name = e.severity === "critical" ? "--episode-critical" : "--episode";
      shade(u, e.from, to, css(name));
      shade(u, e.from, to, css(`${name}-edge`), 3 * devicePixelRatio);
    }
    u.ctx.restore();
  };

  const levelLine = (level) => (u) => {
    const y = u.valToPos(level, "y", true);
    u.ctx.save();
    u.ctx.strokeStyle = css("--critical");
    u.ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    u.ctx.lineWidth = devicePixelRatio;
    u.ctx.beginPath();
    u.ctx.moveTo(u.bbox.left, y);
    u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
    u.ctx.stroke();
    u.ctx.restore();
  };

  // --- axes ---

  const two = (n) => String(n).padStart(2, "0");
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const timeLabels = (u, splits) => {
    const step = splits.length > 1 ? splits[1] - splits[0] : 60;
    return splits.map((s) => {
      const d = new Date(s * 1000);
      const midnight = d.getUTCHours() === 0 && d.getUTCMinutes() === 0 && d.getUTCSeconds() === 0;
      if (midnight) return `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}`;
      return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}${step < 60 ? `:${two(d.getUTCSeconds())}` : ""}`;
    });
  };

  const range = (group) => (u, low, high) => {
    if (group.unit === "%" && group.id !== "risk") return [-3, 103];
    if (group.lines.every((line) => line.stepped && !line.dashed)) return [-0.15, 1.15];
    if (low === null || high === null) return [group.low ?? 0, group.high ?? 1];
    if (group.low !== undefined) return [group.low, Math.max(group.high, high * 1.08)];
    const least = group.unit === "°C" ? 4 : (Math.abs(high) || 1) * 0.1;
    const pad = Math.max((high - low) * 0.08, (least - (high - low)) / 2, 0);
    return [low - pad, high + pad];
  };

  const states = (group) => group.lines.every((line) => line.stepped && !line.dashed);

  const show = (group, line, v) => {
    if (v === null || v === undefined) return "–";
    if (states(group)) return v > 0.5 ? "on" : "off";
    if (group.id === "risk" && v > 0 && v < 1) return "<1 %";
    return `${v.toFixed(line.digits)}${group.unit ? ` ${group.unit}` : ""}`;
  };

  // --- a chart ---

  const build = (group) => {
    const figure = root.querySelector(`[data-chart="${CSS.escape(group.id)}"]`);
    const plot = figure.querySelector(".plot");
    plot.replaceChildren();
    figure.querySelector(".legend")?.remove();
    const legend = document.createElement("ul");
    legend.className = "legend";
    const values = group.lines.map((line, i) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      const swatch = document.createElement("i");
      swatch.className = `line c${line.slot % 8}${line.dashed ? " dashed" : ""}`;
      const name = document.createElement("span");
      name.textContent = line.label;
      const value = document.createElement("b");
      button.append(swatch, name, value);
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(shown));
        chart.setSeries(i + 1, { show: shown });
      });
      item.append(button);
      legend.append(item);
      return value;
    });
    figure.append(legend);

    const write = (u) => {
      group.lines.forEach((line, i) => {
        const column = u.data[i + 1];
        let at = u.cursor.idx ?? null;
        if (at === null) {
          at = column.length - 1;
          while (at >= 0 && (column[at] === null || column[at] === undefined)) at--;
        }
        const text = show(group, line, column[at]);
        if (values[i].textContent !== text) values[i].textContent = text;
      });
    };

    const height = () => (states(group) ? 96 : narrow.matches ? 170 : 190);
    const axis = { stroke: css("--muted"), font: "11px system-ui, sans-serif", grid: { stroke: css("--line"), width: 1 }, ticks: { show: false } };
    const chart = new uPlot({
      width: Math.max(plot.clientWidth, 200),
      height: height(),
      tzDate: (s) => uPlot.tzDate(new Date(s * 1000), "Etc/UTC"),
      padding: [8, 10, 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: unit },
        drag: { x: true, y: false, setScale: false },
        points: { size: 6 },
        bind: { dblclick: () => () => { zoom = home; void load(); return null; } },
      },
      scales: { x: { range: () => span().map((ms) => ms / 1000) }, y: { range: range(group) } },
      axes: [
        { ...axis, size: 26, gap: 4, values: timeLabels, space: 64 },
        {
          ...axis, size: 46, gap: 4, space: 34,
          values: (u, splits) => splits.map((v) => (states(group) ? (v === 0 ? "off" : v === 1 ? "on" : "") : String(Number(v.toFixed(2))))),
          splits: states(group) ? () => [0, 1] : undefined,
        },
      ],
      series: [{}, ...group.lines.map((line) => ({
        label: line.label,
        stroke: css(`--c${line.slot % 8}`),
        width: line.dashed ? 1.25 : 1.6,
        dash: line.dashed ? [5, 4] : undefined,
        fill: line.fill ? css("--score-fill") : undefined,
        paths: line.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
        points: { show: false },
        spanGaps: false,
      }))],
      hooks: {
        drawClear: [background],
        draw: group.level === undefined ? [] : [levelLine(group.level)],
        setCursor: [write],
        setData: [write],
        setSelect: [(u) => {
          if (u.select.width < 8) return;
          const from = u.posToVal(u.select.left, "x") * 1000;
          const to = u.posToVal(u.select.left + u.select.width, "x") * 1000;
          u.setSelect({ width: 0, height: 0 }, false);
          if (to - from < MINUTE_MS) return;
          zoom = [Math.floor(from), Math.ceil(to)];
          void load();
        }],
      },
    }, columns(group), plot);
    new ResizeObserver(() => {
      if (plot.clientWidth > 0 && plot.clientWidth !== chart.width) chart.setSize({ width: plot.clientWidth, height: height() });
    }).observe(plot);
    return { group, chart };
  };

  const draw = () => {
    for (const { group, chart } of charts) chart.setData(columns(group));
    const newest = traces.at.length ? traces.at[traces.at.length - 1] : 0;
    root.dataset.newestMs = String(newest);
  };

  const rebuild = () => {
    for (const { chart } of charts) chart.destroy();
    charts.length = 0;
    for (const group of all) charts.push(build(group));
    draw();
  };

  // --- data ---

  const ask = async (path, from, to) => {
    const query = new URLSearchParams({ from: String(Math.floor(from)), to: String(Math.ceil(to)) });
    const answer = await fetch(`/v1/units/${unit}/${path}?${query}`, { credentials: "same-origin" });
    if (!answer.ok) {
      const body = await answer.json().catch(() => ({}));
      throw new Error(body.detail || `the server answered ${answer.status}`);
    }
    return answer.json();
  };

  const load = async () => {
    const mine = ++loads;
    const now = window.plenum.plantNow();
    const [from, to] = zoom ?? [now - hours * HOUR_MS, now + HOUR_MS / 12];
    root.setAttribute("aria-busy", "true");
    try {
      const [measured, scored] = await Promise.all([ask("traces", from, to), ask("health", from, to)]);
      if (mine !== loads) return;
      resolution = measured.resolution;
      traces = { at: measured.at_ms, values: new Map(measured.points.map((p, i) => [p, measured.values[i]])) };
      health = scored.health;
      problem.hidden = true;
      if (charts.length) draw();
      else rebuild();
    } catch (error) {
      if (mine !== loads) return;
      problem.textContent = `The traces could not be loaded: ${error.message}. They are asked for again in 10 s.`;
      problem.hidden = false;
      setTimeout(() => { if (mine === loads) void load(); }, 10000);
    } finally {
      if (mine === loads) root.removeAttribute("aria-busy");
    }
  };

  const trim = () => {
    const oldest = window.plenum.plantNow() - hours * HOUR_MS - 5 * MINUTE_MS;
    let cut = 0;
    while (cut < traces.at.length && traces.at[cut] < oldest) cut++;
    if (cut > 200) {
      traces.at.splice(0, cut);
      for (const column of traces.values.values()) column.splice(0, cut);
    }
    while (health.length && health[0].measured_at_ms < oldest) health.shift();
  };

  const onSample = ({ detail }) => {
    if (zoom || resolution !== "raw") return;
    const { at_ms: at, values } = detail.payload.trace;
    const step = at.length > 1 ? at[1] - at[0] : 1000;
    const newest = traces.at.length ? traces.at[traces.at.length - 1] : -Infinity;
    const fresh = at.findIndex((t) => t > newest);
    if (fresh < 0) return;
    for (const point of Object.keys(values)) {
      if (!traces.values.has(point)) traces.values.set(point, traces.at.map(() => null));
    }
    // A hole since the newest sample is one empty column, as the history has it.
    if (traces.at.length && at[fresh] - newest > 1.5 * step) {
      traces.at.push(newest + step);
      for (const column of traces.values.values()) column.push(null);
    }
    for (let i = fresh; i < at.length; i++) {
      traces.at.push(at[i]);
      for (const [point, column] of traces.values) column.push(values[point] ? values[point][i] : null);
    }
    trim();
    draw();
  };

  const onHealth = ({ detail }) => {
    const h = detail.payload;
    if (zoom || h.historical) return;
    if (!health.length || h.measured_at_ms > health[health.length - 1].measured_at_ms) health.push(h);
    draw();
  };

  for (const button of root.querySelectorAll("[data-hours]")) {
    button.addEventListener("click", () => {
      hours = Number(button.dataset.hours);
      zoom = null;
      for (const other of root.querySelectorAll("[data-hours]")) other.setAttribute("aria-pressed", String(other === button));
      void load();
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", rebuild);
  document.body.addEventListener("plenum-raw:sample", onSample);
  document.body.addEventListener("plenum-raw:health", onHealth);
  document.body.addEventListener("plenum-raw:reset", () => void load());
  document.body.addEventListener("htmx:afterSwap", () => { if (charts.length) draw(); });
  if (isLive) {
    setInterval(() => {
      if (document.hidden || zoom) return;
      if (resolution === "raw") draw();
      else void load();
    }, TAIL_MS);
  }
  void load();
})();
