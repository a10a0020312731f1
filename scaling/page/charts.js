// Plain SVG, drawn anew at every change: 3 charts of some 300 points each take about a millisecond.

const HIGH = 350;
const EDGE = { left: 62, right: 16, top: 14, bottom: 46 };

/** An empty chart in `svg`: axes with labels, and functions that place things by value. Axes are logarithmic unless `linear`. */
function chart(svg, x, y) {
  const wide = Math.min(Number(svg.dataset.wide), Math.max(460, svg.clientWidth)); // units are pixels until a phone
  svg.setAttribute("viewBox", `0 0 ${wide} ${HIGH}`);
  svg.replaceChildren();
  const across = scale(x, EDGE.left, wide - EDGE.right);
  const up = scale(y, HIGH - EDGE.bottom, EDGE.top);
  const add = (tag, attributes, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return svg.appendChild(node);
  };
  const clip = `clip-${svg.id}`;
  add("clipPath", { id: clip }).appendChild(
    add("rect", {
      x: EDGE.left,
      y: EDGE.top,
      width: wide - EDGE.left - EDGE.right,
      height: HIGH - EDGE.top - EDGE.bottom,
    }),
  );
  axes(add, x, y, across, up, wide);
  const inside = (a, b) => a >= x.low && a <= x.high && b >= y.low && b <= y.high;
  return {
    wide,
    across,
    up,
    line(points, colour, more = {}) {
      for (const run of stretches(points)) {
        const path = run.map(([a, b]) => `${across(a).toFixed(1)},${clamp(up(b)).toFixed(1)}`).join(" ");
        add("polyline", {
          points: path,
          fill: "none",
          stroke: colour,
          "stroke-width": 2,
          "clip-path": `url(#${clip})`,
          ...more,
        });
      }
    },
    dot([a, b], colour, name, more = {}) {
      if (!inside(a, b)) return;
      add("circle", {
        cx: across(a),
        cy: up(b),
        r: 6,
        fill: colour,
        stroke: "var(--card)",
        "stroke-width": 1.5,
        ...more,
      }).appendChild(titled(name));
    },
    text: (at, text, more = {}) => add("text", { ...at, class: "halo", ...more }, text),
    label([a, b], text) {
      if (inside(a, b)) this.text({ x: across(a) + 6, y: up(b) - 6 }, text);
    },
  };
}

const clamp = (pixels) => Math.max(-4000, Math.min(4000, pixels));

/** The parts of a line between points that have no value. */
function stretches(points) {
  const runs = [[]];
  for (const point of points) Number.isFinite(point[1]) ? runs.at(-1).push(point) : runs.push([]);
  return runs.filter((run) => run.length > 1);
}

function titled(name) {
  const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
  title.textContent = name;
  return title;
}

function scale({ low, high, linear }, from, to) {
  const at = linear ? (value) => value : Math.log10;
  return (value) => from + ((at(value) - at(low)) / (at(high) - at(low))) * (to - from);
}

function axes(add, x, y, across, up, wide) {
  for (const tick of ticks(x)) {
    add("line", { x1: across(tick), x2: across(tick), y1: EDGE.top, y2: HIGH - EDGE.bottom, class: "grid" });
    add("text", { x: across(tick), y: HIGH - EDGE.bottom + 17, "text-anchor": "middle" }, x.say(tick));
  }
  for (const tick of ticks(y)) {
    add("line", { x1: EDGE.left, x2: wide - EDGE.right, y1: up(tick), y2: up(tick), class: "grid" });
    add("text", { x: EDGE.left - 7, y: up(tick) + 4, "text-anchor": "end" }, y.say(tick));
  }
  add("line", { x1: EDGE.left, x2: wide - EDGE.right, y1: HIGH - EDGE.bottom, y2: HIGH - EDGE.bottom, class: "axis" });
  add("line", { x1: EDGE.left, x2: EDGE.left, y1: EDGE.top, y2: HIGH - EDGE.bottom, class: "axis" });
  add("text", { x: (EDGE.left + wide - EDGE.right) / 2, y: HIGH - 8, "text-anchor": "middle" }, x.label);
  const middle = (EDGE.top + HIGH - EDGE.bottom) / 2;
  add("text", { x: 13, y: middle, "text-anchor": "middle", transform: `rotate(-90 13 ${middle})` }, y.label);
}

/** At most 8 round values between low and high. */
function ticks({ low, high, linear }) {
  if (linear)
    return evenly(
      low,
      high,
      [1, 2, 5].flatMap((m) => [1e-4, 1e-3, 1e-2, 0.1, 1, 10].map((p) => m * p)).sort((a, b) => a - b),
    );
  const decades = Math.log10(high / low);
  if (decades <= 2.2)
    return [1, 2, 5]
      .flatMap((m) => evenly(Math.log10(low) - 1, Math.log10(high), [1]).map((e) => m * 10 ** e))
      .filter((v) => v >= low && v <= high)
      .sort((a, b) => a - b);
  return evenly(Math.log10(low), Math.log10(high), [1, 2, 3]).map((exponent) => 10 ** exponent);
}

function evenly(low, high, steps) {
  const step = steps.find((one) => (high - low) / one <= 8) ?? steps.at(-1);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.max(0, Math.floor(high / step + 1e-9) - first + 1) }, (_, n) => (first + n) * step);
}

/** `count` values from low to high, evenly spread on a log axis. */
function spread(low, high, count = 160) {
  return Array.from({ length: count + 1 }, (_, n) => low * (high / low) ** (n / count));
}
