// Figures and times as people read them.

export const thin = "\u202f"; // between groups of digits, and before a unit

const grouped = (n, digits) => {
  const [whole, part] = Math.abs(n).toFixed(digits).split(".");
  return (n < 0 ? "−" : "") + whole.replace(/\B(?=(\d{3})+$)/g, thin) + (part ? "." + part : "");
};

// scaled writes n by three digits and a prefix of the SI.
const scaled = (n, unit = "") => {
  for (const [size, prefix] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(n) >= 0.9995 * size) {
      const of = n / size;
      return of.toFixed(Math.abs(of) >= 99.95 ? 0 : Math.abs(of) >= 9.995 ? 1 : 2).replace(/\.0+$/, "") + thin + prefix + unit;
    }
  }
  return grouped(n, 0) + (unit && thin + unit);
};

export const number = n => n === null || n === undefined ? "–" : Math.abs(n) >= 1e7 ? scaled(n) : grouped(n, n !== 0 && Math.abs(n) < 9.95 && n % 1 ? 1 : 0);
export const bytes = n => scaled(n, "B");
export const short = n => n !== 0 && Math.abs(n) < 10 && n % 1 ? String(+n.toFixed(2)) : scaled(n).replace(thin, "");

// span writes seconds by their two largest units.
export const span = s => {
  if (s === null || s === undefined) return "–";
  if (s < 0.9995) return Math.round(s * 1000) + thin + "ms";
  if (s < 9.95) return s.toFixed(s % 1 ? 1 : 0) + thin + "s";
  s = Math.round(s);
  const two = (a, unit, b, part) => a + thin + unit + (b ? " " + b + thin + part : "");
  if (s < 60) return s + thin + "s";
  if (s < 3600) return two(Math.floor(s / 60), "min", s % 60, "s");
  if (s < 86400) return two(Math.floor(s / 3600), "h", Math.floor(s / 60) % 60, "min");
  return two(Math.floor(s / 86400), "d", Math.floor(s / 3600) % 24, "h");
};

// shortSpan writes seconds for an axis.
export const shortSpan = s => s === 0 ? "0" : s < 1 ? +(s * 1000).toFixed(1) + thin + "ms" : s < 120 ? +s.toFixed(1) + thin + "s"
  : s < 7200 ? +(s / 60).toFixed(1) + thin + "min" : +(s / 3600).toFixed(1) + thin + "h";

// measure writes a figure in the unit of its target.
export const measure = (n, unit) => {
  if (n === null) return ["–", ""];
  if (unit !== "s") return [number(n), unit];
  const text = n >= 9.95 && n < 59.95 ? n.toFixed(1).replace(/\.0$/, "") + thin + "s" : span(n);
  const at = text.includes(" ") ? -1 : text.lastIndexOf(thin);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
};

const iso = ms => new Date(ms).toISOString();
export const clock = ms => iso(ms).slice(11, 19);
export const minute = ms => iso(ms).slice(11, 16);

// moment writes a time as long ago as it needs: the day too, where it is another one.
export const moment = (ms, now) => (iso(ms).slice(0, 10) === iso(now).slice(0, 10) ? "" : iso(ms).slice(0, 10) + " ") + clock(ms);

const local = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "long"});
export const localTime = ms => local.format(ms) + ", here";
