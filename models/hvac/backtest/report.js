// Reads values under the pointer and zooms: all drawings of a unit share one scale of time. Without it the report is whole too.
"use strict";
for (const unit of document.querySelectorAll("[data-first]")) {
  const first = Number(unit.dataset.first), last = Number(unit.dataset.last), zone = unit.dataset.zone, WIDTH = 1200;
  const plots = [...unit.querySelectorAll(".plot")], axis = unit.querySelector(".times .row"), now = unit.querySelector(".times .now");
  const whole = axis.innerHTML;
  let from = 0, to = WIDTH, held = null;
  const format = (ms, options) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options }).format(ms);
  const time = (x) => first + (x / WIDTH) * (last - first);
  const lines = [];
  for (const chart of unit.querySelectorAll(".chart")) {
    const texts = chart.querySelectorAll(".legend b");
    chart.querySelectorAll("path[data-line]").forEach((path, index) => {
      const points = path.getAttribute("d").split(/(?=[ML])/).map((part) => part.slice(1).split(" ").map(Number));
      const low = Number(chart.dataset.low), high = Number(chart.dataset.high);
      const value = chart.dataset.logarithmic === "1" ? (y) => high * (low / high) ** (y / 100) : (y) => high - (y / 100) * (high - low);
      lines.push({ points, text: texts[index], value });
    });
  }
  function read(x) {
    now.textContent = format(time(x), { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
    for (const line of lines) {
      let a = 0, b = line.points.length - 1;
      while (a < b) { const middle = (a + b) >> 1; if (line.points[middle][0] < x) a = middle + 1; else b = middle; }
      const before = line.points[Math.max(0, a - 1)], after = line.points[a];
      const point = after && before && x - before[0] < after[0] - x ? before : after;
      line.text.textContent = point && Math.abs(point[0] - x) < (to - from) / 40 ? line.value(point[1]).toPrecision(4) : "";
    }
  }
  function draw() {
    for (const plot of plots) plot.querySelector("svg").setAttribute("viewBox", `${from} 0 ${to - from} 100`);
    unit.classList.toggle("zoomed", to - from < WIDTH);
    if (to - from >= WIDTH) { axis.innerHTML = whole; return; }
    axis.replaceChildren(...[0, 1, 2, 3, 4, 5].map((step) => {
      const mark = document.createElement("span");
      mark.style.left = `${step * 16.5}%`;
      mark.textContent = format(time(from + (step * 0.165) * (to - from)), { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: last - first < 7.2e6 ? "2-digit" : undefined });
      return mark;
    }));
  }
  unit.querySelector(".reset").addEventListener("click", () => { from = 0; to = WIDTH; draw(); });
  for (const plot of plots) {
    const share = (event) => { const box = plot.getBoundingClientRect(); return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)); };
    plot.addEventListener("pointermove", (event) => {
      const at = share(event);
      for (const other of plots) {
        const cursor = other.querySelector(".cursor"), band = other.querySelector(".band");
        cursor.style.display = "block"; cursor.style.left = `${at * 100}%`;
        if (held !== null) { band.style.display = "block"; band.style.left = `${Math.min(at, held) * 100}%`; band.style.width = `${Math.abs(at - held) * 100}%`; }
      }
      read(from + at * (to - from));
    });
    plot.addEventListener("pointerdown", (event) => { if (event.pointerType === "mouse") { held = share(event); plot.setPointerCapture(event.pointerId); } });
    plot.addEventListener("pointerup", (event) => {
      if (held === null) return;
      const ends = [held, share(event)].sort((a, b) => a - b);
      held = null;
      for (const other of plots) other.querySelector(".band").style.display = "none";
      if (ends[1] - ends[0] > 0.01) { [from, to] = ends.map((end) => from + end * (to - from)); draw(); }
    });
    plot.addEventListener("dblclick", () => { from = 0; to = WIDTH; draw(); });
    plot.addEventListener("pointerleave", () => {
      for (const other of plots) other.querySelector(".cursor").style.display = "none";
      now.textContent = "";
      for (const line of lines) line.text.textContent = "";
    });
  }
}
