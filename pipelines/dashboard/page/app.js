// The page's stream, and what it shows of each message. All text of others goes in as text.
import {Charts} from "./charts.js";
import {bytes, clock, localTime, measure, moment, number, span} from "./text.js";

const $ = id => document.getElementById(id);

// Store holds the columns of the last hour, as arrays that do not grow beyond the capacity.
class Store {
  constructor(columns, capacity) {
    this.columns = columns;
    this.capacity = capacity;
    this.arrays = columns.map(() => []);
  }

  of(name) {
    const i = this.columns.indexOf(name);
    return i < 0 ? [] : this.arrays[i];
  }

  get last() { return this.arrays[0].at(-1); }

  push(row) {
    this.arrays.forEach((a, i) => {
      if (a.length < this.capacity) {
        a.push(row[i] ?? null);
        return;
      }
      a.copyWithin(0, 1);
      a[a.length - 1] = row[i] ?? null;
    });
  }

  // add adds a row of the server. Over a long silence no line is drawn.
  add(row) {
    const at = row[0] / 1000;
    if (at <= this.last) return;
    if (at - this.last > gap) this.push([this.last + 1]);
    this.push([at, ...row.slice(1)]);
  }

  addAll(arrays) { arrays[0].forEach((_, i) => this.add(arrays.map(a => a[i]))); }

  // keep takes over what another server told before this time.
  keep(old, before) {
    old.arrays[0].forEach((at, i) => {
      if (at < before) this.push(this.columns.map(name => old.of(name)[i]));
    });
  }
}

const gap = 60; // seconds
let store = null, targets = [], interval = 2000, run = "", runbook = "", latest = null, heard = Date.now(), lostAt = 0, source = null;
const charts = new Charts();

// put writes a text where it is another one.
const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };

const element = (name, className, ...children) => {
  const e = document.createElement(name);
  if (className) e.className = className;
  e.append(...children);
  return e;
};

const sign = () => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "sign");
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
};

const mark = (node, grade) => {
  if (node.dataset.grade === grade) return;
  node.dataset.grade = grade;
  node.querySelector("use").setAttribute("href", "#sign-" + grade);
};

const time = (node, ms, text) => {
  put(node, text);
  const title = ms ? localTime(ms) : "";
  if (node.title !== title) node.title = title;
};

// rows brings a list to n children.
const rows = (parent, n, make) => {
  while (parent.children.length > n) parent.lastElementChild.remove();
  while (parent.children.length < n) parent.append(make());
  return [...parent.children];
};

// The band: what is wrong, the worst first.

const problemRow = () => {
  const link = element("a", "", "What to do");
  link.hidden = true;
  const li = element("li", "", sign(), element("div", "", element("strong"), element("span"), link), element("time"));
  return li;
};

let told = null;
function band(problems, now) {
  if (lostAt) {
    problems = [{
      id: "connection", grade: "bad", title: "Connection lost since " + clock(lostAt) + " UTC",
      detail: "The server of this page does not answer. What is below is what it told last; it is asked again all the time.", since: 0,
    }];
  }
  const shown = problems.length ? problems : [wellness(now)];
  rows($("problems"), shown.length, problemRow).forEach((li, i) => {
    const p = shown[i], [title, detail] = li.querySelectorAll("strong, span");
    mark(li, p.grade);
    put(title, p.title);
    put(detail, p.detail);
    const link = li.querySelector("a"), to = runbook && p.runbook ? runbook + "#" + p.runbook : "";
    link.hidden = !to;
    if (to && link.getAttribute("href") !== to) link.setAttribute("href", to);
    time(li.lastChild, p.since, p.since ? lasted(now.at - p.since) : "");
  });
  document.title = (problems.length ? `(${problems.length}) ` : "") + "clickstream";
  // Figures change all the time: only another problem is worth the words.
  const key = shown.map(p => p.id).join();
  if (key !== told) {
    told = key;
    put($("said"), shown.map(p => p.title).join(". "));
  }
}

const lasted = ms => ms < 1000 ? "just now" : "for " + span(Math.round(ms / 1000));

// wellness is what is said where nothing is wrong.
function wellness(now) {
  const known = now && (now.partitions.count || now.state);
  if (!known) return {id: "waiting", grade: "unknown", title: "Waiting for the first figures", detail: ""};
  const facts = [];
  if (now.state && now.state.commit) facts.push("last commit " + span((now.at - now.state.commit) / 1000) + " ago");
  if (now.watermark) facts.push("the watermark is at " + clock(now.watermark) + " UTC");
  return {id: "well", grade: "good", title: "All is well", detail: facts.join(", ")};
}

// The tiles: the targets.

const gradeWords = {good: "on target", neutral: "keeps up", unknown: "not known", warn: "off target", bad: "alert"};

function makeTiles() {
  $("tiles").replaceChildren(...targets.map(t => {
    const word = element("span"), unit = element("small"), tile = element("article", "tile",
      element("div", "top", element("h3", "", t.title), element("p", "grade", sign(), word)),
      element("p", "value", "–", unit),
      element("div", "meter", element("i"), element("b"), element("b")),
      element("p", "note aim", ...aim(t)), element("p", "note"));
    tile.id = "tile-" + t.id;
    const [fill, goal, limit] = tile.querySelectorAll(".meter > *");
    const whole = t.more ? 1.5 * t.goal : 1.2 * (t.limit || t.goal);
    goal.style.left = 100 * t.goal / whole + "%";
    limit.hidden = !t.limit;
    limit.style.left = 100 * t.limit / whole + "%";
    tile.querySelector(".meter").setAttribute("aria-hidden", "true");
    Object.assign(tile, {whole, fill, word, unit, value: tile.querySelector(".value"), remark: tile.lastChild});
    mark(tile, "unknown");
    return tile;
  }));
}

// aim says what is to be reached, as «target < 1 000» and «alert > 5 000».
function aim(t) {
  const write = n => t.unit === "s" ? measure(n, t.unit).join("\u202f") : number(n), [met, over] = t.more ? [" > ", " < "] : [" < ", " > "];
  return ["target" + met + write(t.goal), ...(t.limit ? ["alert" + over + write(t.limit)] : [])].map(words => element("span", "", words));
}

function tiles(all) {
  [...$("tiles").children].forEach((tile, i) => {
    const {grade, value, note} = all[i], [text, unit] = measure(value, targets[i].unit);
    mark(tile, grade);
    put(tile.word, gradeWords[grade]);
    if (tile.value.firstChild.data !== text) tile.value.firstChild.data = text;
    put(tile.unit, unit);
    put(tile.remark, note);
    tile.fill.style.width = Math.min(100, 100 * (value ?? 0) / tile.whole) + "%";
  });
}

// The tables.

// shared returns the site that all addresses are of, if it is one: there is little room, and they differ at their ends.
function shared(urls) {
  const [site] = /^https?:\/\/[^/?#]+(?=\/)/.exec(urls[0] ?? "") ?? [""];
  return urls.every(url => url.startsWith(site + "/")) ? site : "";
}

function pages(state) {
  const top = state ? state.top : [], body = $("pages").querySelector("tbody"), site = shared(top.map(p => p.url));
  $("pages").querySelector(".empty").hidden = top.length > 0;
  put($("pages-of"), site ? "of the newest windows, at " + site : "of the newest windows");
  rows(body, top.length, () => element("tr", "", element("td", "", element("i"), element("span")), element("td"))).forEach((tr, i) => {
    const [page, views] = tr.children;
    put(page.lastChild, top[i].url.slice(site.length));
    if (page.title !== top[i].url) page.title = top[i].url;
    page.firstChild.style.width = 100 * top[i].views / (top[0].views || 1) + "%";
    put(views, number(top[i].views));
  });
}

// list shows pairs of a word and [a text, a smaller one, a time].
function list(dl, pairs) {
  rows(dl, 2 * pairs.length, () => element(dl.children.length % 2 ? "dd" : "dt")).forEach((e, i) => {
    const [word, text, more, at] = pairs[i >> 1];
    if (i % 2 === 0) return put(e, word);
    if (!e.firstChild) e.append("", element("small"));
    if (e.firstChild.data !== text) e.firstChild.data = text;
    put(e.lastChild, more ?? "");
    const title = at ? localTime(at) : "";
    if (e.title !== title) e.title = title;
  });
}

function table(now) {
  const s = now.state, ago = ms => "−" + span(Math.max(0, now.at - ms) / 1000);
  put($("table-name"), now.table);
  $("table-name").title = now.table;
  $("table").nextElementSibling.hidden = Boolean(s);
  list($("table"), !s ? [] : [
    ["Version", s.version < 0 ? "no log" : number(s.version)],
    ["Files", number(s.files), s.small ? number(s.small) + " small" : ""],
    ["Size", bytes(s.bytes)],
    ["Last commit", s.commit ? moment(s.commit, now.at) : "none", s.commit ? ago(s.commit) : "", s.commit],
    ["Newest window ends", s.newest ? moment(s.newest, now.at) : "none", s.newest ? ago(s.newest) : "", s.newest],
  ]);
}

function totals(now) {
  const t = now.totals, dead = t.rejects.reduce((a, b) => a + b, 0);
  const share = t.read ? (100 * dead / t.read).toFixed(2).replace(/\.?0+$/, "") + "\u202f%" : "";
  list($("totals"), [
    ["Read", number(t.read), "records"],
    ["Counted", number(t.counted), "clicks"],
    ["Dead letters", number(dead), dead ? share : ""],
    ["Commits", number(t.commits), t.conflicts ? number(t.conflicts) + " planned anew" : ""],
    ...[["Skipped, counted before", t.skipped], ["Left to a rebuild", t.deferred], ["Duplicates", t.duplicates]].filter(p => p[1]).map(([w, n]) => [w, number(n), "clicks"]),
  ]);
}

let opened = false; // the partitions were, once, where there is room
function partitions(now) {
  const p = now.partitions, box = $("partitions"), details = box.querySelector("details"), few = p.count === p.shown.length;
  box.querySelector(".empty").hidden = p.count > 0;
  details.hidden = !p.count;
  if (p.count && !opened) {
    opened = true;
    details.open = matchMedia("(min-width: 1001px)").matches;
  }
  put($("partitions-count"), p.count ? number(p.count) + (p.idle ? ", " + number(p.idle) + " idle" : "") : "");
  put(details.querySelector("summary"), few ? "Each of them" : "The " + p.shown.length + " furthest behind");
  rows(box.querySelector("tbody"), p.shown.length, () => element("tr", "", element("td"), element("td"), element("td", "", "", element("small")), element("td"))).forEach((tr, i) => {
    const one = p.shown[i], [no, lag, mark, state] = tr.children;
    put(no, String(one.number));
    put(lag, number(one.lag));
    const text = one.watermark ? moment(one.watermark, now.at) : "–";
    if (mark.firstChild.data !== text) mark.firstChild.data = text;
    put(mark.lastChild, one.watermark ? "−" + span(Math.max(0, now.at - one.watermark) / 1000) : "");
    mark.title = one.watermark ? localTime(one.watermark) : "";
    put(state, one.idle ? "idle" : one.committed < 0 ? "never read" : "active");
  });
}

// show brings the page to what is known: the words at once, for they stand in the title of a tab that nobody looks at too,
// and all else with the next frame.
function show() {
  band(latest ? latest.problems : [], latest);
  if (latest && !framed) framed = requestAnimationFrame(frame);
}

let framed = 0;
function frame() {
  framed = 0;
  const now = latest;
  if (!now) return;
  tiles(now.tiles);
  pages(now.state);
  table(now);
  totals(now);
  partitions(now);
  put($("where"), [now.topic, now.group && "read by " + now.group, now.table && "into " + now.table].filter(Boolean).join(" · "));
  $("where").title = $("where").textContent;
  time($("clock"), now.at, clock(now.at) + " UTC");
  charts.draw();
}

// The stream.

function live(state, word) {
  $("live").dataset.state = state;
  put($("live"), word);
  document.body.classList.toggle("lost", state === "lost");
}

function hear() {
  heard = Date.now();
  lostAt = 0;
  live("live", "live");
}

function lost() {
  if (lostAt) return;
  lostAt = heard;
  live("lost", "lost");
  show();
}

function hello(message) {
  hear();
  const same = latest && message.now && ["topic", "group", "table"].every(k => latest[k] === message.now[k]);
  targets = message.targets;
  interval = message.interval;
  runbook = message.runbook;
  if (message.resumes && store) {
    store.addAll(message.rows);
  } else {
    const next = new Store(message.columns, message.capacity);
    if (store && same && message.run !== run) next.keep(store, (message.rows[0][0] ?? Infinity) / 1000);
    next.addAll(message.rows);
    store = next;
    run = message.run;
    makeTiles();
  }
  latest = message.now;
  charts.bind(store, targets);
  show();
}

function sample(message) {
  hear();
  if (message.row) store.add(message.row);
  latest = message.now;
  show();
}

function connect() {
  if (source) source.close();
  source = new EventSource("events");
  const on = (name, f) => source.addEventListener(name, e => f(JSON.parse(e.data)));
  on("hello", hello);
  on("sample", sample);
  on("beat", hear);
  source.addEventListener("error", lost);
}

// Where nothing is heard, the connection may be dead without anybody having said so; where the server has refused, the
// browser does not ask again by itself.
let asked = Date.now();
setInterval(() => {
  const silent = Date.now() - heard > Math.max(8000, 4 * interval);
  if (silent) lost();
  if ((silent || source.readyState === EventSource.CLOSED) && Date.now() - asked > 3000) {
    asked = Date.now();
    connect();
  }
}, 1000);

// What the reader chooses, and is remembered.

const remember = (key, value) => { try { localStorage.setItem(key, value); } catch { /* then it is not */ } };
const remembered = key => { try { return localStorage.getItem(key); } catch { return null; } };

const system = matchMedia("(prefers-color-scheme: dark)");
const dark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
const themed = () => {
  $("theme").setAttribute("aria-pressed", dark());
  charts.repaint();
};
$("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = dark() ? "light" : "dark";
  remember("theme", document.documentElement.dataset.theme);
  themed();
});
system.addEventListener("change", themed);
themed();

for (const input of document.querySelectorAll("#spans input")) {
  if (remembered("span") === input.value) input.checked = true;
  if (input.checked) charts.show(Number(input.value));
  input.addEventListener("change", () => {
    remember("span", input.value);
    charts.show(Number(input.value));
  });
}

connect();
