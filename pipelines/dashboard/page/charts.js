// Charts of the columns that the server sends, all of one time axis and one cursor.
import {clock, minute, number, short, shortSpan, span} from "./text.js";

const solid = [], dashed = [6, 4], dotted = [2, 3];
const colours = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6"];

// times are the steps of an axis of seconds, which is not counted in tens.
const times = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18000, 43200, 86400, 604800];

let palette = {};
const repaint = () => {
  const style = getComputedStyle(document.documentElement);
  for (const name of [...colours, "--soft", "--line", "--ink", "--fill", "--grid", "--warn", "--bad", "--card"]) palette[name] = style.getPropertyValue(name).trim();
};
const paint = name => () => palette[name];

const rate = n => n === null || n === undefined ? "–" : number(n) + "/s";

// kinds says of each chart which columns it shows, and how.
const kinds = {
  throughput: {
    lines: () => [["read", "read", "--c1", solid, true], ["counted", "counted", "--c3", dashed], ["rejected", "rejected", "--c5", dotted]],
    value: rate, axis: short, least: 10,
  },
  lag: {lines: () => [["lag", "all partitions", "--c1", solid, true]], value: number, axis: short, least: 10, target: "lag"},
  latency: {
    lines: () => [["p50", "p50", "--c6", dotted], ["p95", "p95", "--c1", solid], ["p99", "p99", "--c4", dashed]],
    value: span, axis: shortSpan, incrs: times, least: 0.05, target: "latency",
  },
  delay: {
    lines: columns => {
      const each = columns.filter(c => c.startsWith("delay:"));
      if (!each.length) return [["worst", "the furthest behind", "--c1", solid, true], ["median", "the middle one", "--c6", dashed]];
      return each.map((c, i) => [c, c.slice(6), colours[i % 6], i < 6 ? solid : dashed]);
    },
    value: span, axis: shortSpan, incrs: times, least: 1,
  },
  dead: {
    lines: columns => columns.filter(c => c.startsWith("reason:")).map((c, i) => [c, c.slice(7), colours[i % 5], i < 5 ? solid : dashed]),
    value: rate, axis: short, least: 1, sparse: "No dead letters in this time.",
  },
};

const element = (name, attributes = {}, ...children) => {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  e.append(...children);
  return e;
};

const swatch = (colour, dash) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [k, v] of Object.entries({x1: 0, x2: 18, y1: 4, y2: 4, "stroke-dasharray": dash.join(" ")})) line.setAttribute(k, v);
  line.style.stroke = `var(${colour})`;
  svg.setAttribute("aria-hidden", "true");
  svg.append(line);
  return svg;
};

// Chart is one of them, in its figure.
class Chart {
  constructor(id, charts) {
    this.kind = kinds[id];
    this.charts = charts;
    this.figure = document.getElementById(id);
    this.title = this.figure.querySelector("h3").textContent;
    this.legend = element("ul", {class: "legend"});
    this.none = element("p", {class: "none"});
    this.plot = element("div", {class: "plot", tabindex: "0", role: "slider", "aria-label": this.title + " over time; arrow keys move through it", "aria-valuemin": "0"});
    this.plot.append(this.none);
    this.figure.append(this.legend, this.plot);
    this.plot.addEventListener("keydown", e => this.key(e));
    this.plot.addEventListener("blur", () => this.u && this.u.setCursor({left: -10, top: -10}));
  }

  // bind shows these columns of the store from now on.
  bind(store) {
    this.store = store;
    this.lines = this.kind.lines(store.columns);
    const names = this.lines.map(l => l[0]).join();
    this.data = [store.of("at"), ...this.lines.map(l => store.of(l[0]))];
    if (this.u && names === this.names) {
      this.u.setData(this.data);
      return;
    }
    this.names = names;
    this.shown = null;
    if (this.u) this.u.destroy();
    this.legend.classList.toggle("many", this.lines.length > 4 && !this.kind.sparse);
    this.values = this.lines.map(() => element("b"));
    this.items = this.lines.map(([, label, colour, dash], i) => element("li", {}, swatch(colour, dash), label, this.values[i]));
    this.legend.replaceChildren(...this.items);
    this.u = new uPlot(this.options(), this.data, this.plot);
  }

  options() {
    const kind = this.kind;
    const line = {stroke: paint("--soft"), font: "11px system-ui, sans-serif", ticks: {show: false}};
    return {
      ...this.size(),
      padding: [8, 20, 0, 0],
      legend: {show: false},
      cursor: {y: false, drag: {x: false, y: false, setScale: false}, sync: {key: "time"}, points: {size: 7, width: 2, fill: paint("--card")}, focus: {prox: 12}},
      focus: {alpha: this.lines.length > 4 ? 0.25 : 1},
      tzDate: s => uPlot.tzDate(new Date(s * 1000), "UTC"),
      scales: {
        x: {time: true, range: (u, min, max) => max === null ? [0, 60] : [Math.min(max - 60, Math.max(min, max - this.charts.span)), max]},
        y: {range: (u, min, max) => [0, Math.max(kind.least, (max ?? 0) * 1.12)]},
      },
      axes: [
        {...line, size: 24, gap: 4, space: 80, grid: {show: false}, values: (u, splits) => splits.map(s => !u.data[0].length ? "" : (s % 60 ? clock : minute)(s * 1000))},
        {...line, size: 56, gap: 6, space: 34, grid: {stroke: paint("--grid"), width: 1}, incrs: kind.incrs, values: (u, splits) => splits.map(kind.axis)},
      ],
      series: [{}, ...this.lines.map(([, label, colour, dash, filled]) => ({
        label, stroke: paint(colour), dash, width: 1.75, points: {show: false}, spanGaps: false,
        fill: filled ? paint("--fill") : undefined,
      }))],
      hooks: {setCursor: [() => this.tell()], draw: [u => this.marks(u)]},
    };
  }

  size() { return {width: this.plot.clientWidth, height: this.plot.clientHeight}; }

  // marks draws the target and the alert, where the figure comes near them.
  marks(u) {
    const target = this.charts.targets.find(t => t.id === this.kind.target);
    if (!target) return;
    let other = -Infinity;
    for (const [value, colour, word] of [[target.limit, "--bad", "alert"], [target.goal, "--warn", "target"]]) {
      if (!value || value > u.scales.y.max) continue;
      const y = Math.round(u.valToPos(value, "y", true)), {left, width} = u.bbox, ctx = u.ctx, ratio = devicePixelRatio;
      ctx.save();
      ctx.strokeStyle = ctx.fillStyle = palette[colour];
      ctx.lineWidth = ratio;
      ctx.setLineDash([3 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(left, y);
      ctx.lineTo(left + width, y);
      ctx.stroke();
      ctx.font = `${11 * ratio}px system-ui, sans-serif`;
      ctx.textAlign = "left";
      ctx.textBaseline = "bottom";
      if (Math.abs(other - y) > 13 * ratio) ctx.fillText(word, left + 4 * ratio, y - 2 * ratio);
      other = y;
      ctx.restore();
    }
  }

  // draw shows what has come to the columns.
  draw() {
    if (!this.u) return;
    if (this.kind.sparse) this.thin();
    this.u.setData(this.data);
    const empty = this.data.slice(1).every(column => column.every(v => v === null));
    this.none.textContent = empty ? "Nothing is known yet." : this.kind.sparse && !this.shown ? this.kind.sparse : "";
    this.tell();
  }

  // thin leaves those lines out of which there is nothing in the time that is shown.
  thin() {
    const at = this.data[0], from = at[at.length - 1] - this.charts.span;
    let first = at.findIndex(t => t >= from);
    const seen = this.data.slice(1).map(column => {
      for (let i = Math.max(0, first); i < column.length; i++) if (column[i] > 0) return true;
      return false;
    });
    const shown = seen.map(Number).join("");
    if (shown === this.shownAs) return;
    this.shownAs = shown;
    this.shown = shown.includes("1");
    seen.forEach((show, i) => {
      this.u.series[i + 1].show = show;
      this.items[i].hidden = !show;
    });
  }

  // tell writes the figures at the cursor, or the last ones, into the legend.
  tell() {
    if (!this.u) return;
    const last = this.data[0].length - 1, hovered = this.u.cursor.idx, i = hovered ?? last;
    this.values.forEach((v, n) => { v.textContent = this.kind.value(this.data[n + 1][i]); });
    if (document.activeElement !== this.plot || last < 0) return;
    this.plot.setAttribute("aria-valuemax", last);
    this.plot.setAttribute("aria-valuenow", i);
    this.plot.setAttribute("aria-valuetext", clock(this.data[0][i] * 1000) + " UTC: " +
      this.lines.map((l, n) => this.items[n].hidden ? "" : l[1] + " " + this.kind.value(this.data[n + 1][i])).filter(Boolean).join(", "));
  }

  key(e) {
    const at = this.data[0], last = at.length - 1;
    const step = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 30, PageDown: -30, Home: -Infinity, End: Infinity}[e.key];
    if (step === undefined || last < 0 || !this.u) return;
    e.preventDefault();
    const first = Math.max(0, at.findIndex(t => t >= this.u.scales.x.min));
    const i = Math.min(last, Math.max(first, (this.u.cursor.idx ?? last) + step));
    this.u.setCursor({left: this.u.valToPos(at[i], "x"), top: 1});
  }
}

// Charts are all charts of the page.
export class Charts {
  constructor() {
    this.targets = [];
    this.span = 900;
    this.all = Object.keys(kinds).map(id => new Chart(id, this));
    repaint();
    new ResizeObserver(() => this.resize()).observe(document.querySelector("#charts"));
  }

  bind(store, targets) {
    this.targets = targets;
    for (const c of this.all) c.bind(store);
    this.draw();
  }

  draw() { for (const c of this.all) c.draw(); }

  show(seconds) {
    this.span = seconds;
    this.draw();
  }

  repaint() {
    repaint();
    for (const c of this.all) if (c.u) c.u.redraw(false);
  }

  resize() { for (const c of this.all) if (c.u && c.size().width && c.size().width !== c.u.width) c.u.setSize(c.size()); }
}
