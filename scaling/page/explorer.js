// The page: sliders and fields on the left change `state`; everything on the right is drawn from `outcome(state)`.

const $ = (id) => document.getElementById(id);
const LAW = Object.fromEntries(TABLES.laws.map((law) => [law.name, law]));
const SLIDERS = {
  params: { label: "Parameters N", unit: "parameters", low: 7, high: 13 },
  tokens: { label: "Tokens D", unit: "training tokens, passes over the same text counted again", low: 8, high: 14.7 },
  flops: { label: "Compute C", unit: "FLOPs; moves N and D together, at their ratio", low: 16, high: 28.5 },
  inference: { label: "Inference demand", unit: "tokens served over the model's life", low: 8, high: 16, none: "low" },
  unique: { label: "Unique tokens", unit: "different tokens there are to train on", low: 8, high: 15, none: "high" },
};
const state = { law: TABLES.default_law, params: 7e9, tokens: 2e12, inference: 0, unique: Infinity };

// ---- numbers ------------------------------------------------------------------------------------------------------

const SUFFIXES = { "": 0, K: 3, M: 6, B: 9, T: 12, P: 15 };

/** Three digits and a suffix: 6.97B, 1.25T. */
function si(value) {
  if (!Number.isFinite(value)) return "–";
  for (const [suffix, power] of [
    ["T", 12],
    ["B", 9],
    ["M", 6],
    ["K", 3],
  ])
    if (value >= 0.9995 * 10 ** power) return digits(value / 10 ** power) + suffix;
  return digits(value);
}

const digits = (value) =>
  value >= 999.5 ? Math.round(value).toLocaleString("en-US") : Number(value.toPrecision(3)).toString();

/** 5.88 × 10²³, for FLOPs. */
function power(value, places = 2) {
  if (!Number.isFinite(value)) return "–";
  const [mantissa, exponent] = value.toExponential(places).split("e");
  return `${mantissa} × 10${[...String(Number(exponent))].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻").join("")}`;
}

const percent = (share) => (Number.isFinite(share) ? `${(100 * share).toPrecision(3)} %` : "–");
const shown = (key, value) => (key === "flops" ? value.toExponential(2).replace("+", "") : si(value));

/** What was typed, in raw units: 7B, 1.4T, 1e22. NaN where it is no positive number. */
function read(text) {
  const found = /^([0-9][0-9_,]*\.?[0-9]*|\.[0-9]+)(?:e([+-]?[0-9]{1,4}))?\s?([KMBTP]?)$/i.exec(text.trim());
  if (!found) return NaN;
  const exponent = Number(found[2] ?? 0) + SUFFIXES[found[3].toUpperCase()];
  const value = Number(`${found[1].replace(/[_,]/g, "")}e${exponent}`);
  return value > 0 && Number.isFinite(value) ? value : NaN;
}

// ---- state --------------------------------------------------------------------------------------------------------

const nothing = (key) => (SLIDERS[key].none === "low" ? 0 : Infinity);
const allowed = (key, value) => value >= (TABLES.least[key] ?? 1) && value <= 1e30;
const valueOf = (key) => (key === "flops" ? flopsOf(state.params, state.tokens) : state[key]);
const keepsFlops = () => document.querySelector("input[name=keep]:checked").value === "flops";

function set(key, value) {
  const flops = valueOf("flops");
  if (key === "flops") {
    const times = Math.sqrt(value / flops);
    state.params *= times;
    state.tokens *= times;
  } else {
    state[key] = value;
    if (keepsFlops() && key === "params") state.tokens = flops / (TABLES.flops_per_param_token * value);
    if (keepsFlops() && key === "tokens") state.params = flops / (TABLES.flops_per_param_token * value);
  }
  show();
}

function go(plan) {
  if (!(plan && Number.isFinite(plan.params) && Number.isFinite(plan.tokens))) return;
  state.params = plan.params;
  state.tokens = plan.tokens;
  show();
}

/** The state as the address keeps it, so that a plan can be sent as a link. */
function address() {
  const said = { law: state.law, params: state.params, tokens: state.tokens };
  if (state.inference) said.inference = state.inference;
  if (Number.isFinite(state.unique)) said.unique = state.unique;
  return "#" + new URLSearchParams(Object.entries(said).map(([key, value]) => [key, String(value)]));
}

function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  if (Object.hasOwn(LAW, said.get("law") ?? "")) state.law = said.get("law");
  for (const key of ["params", "tokens", "inference", "unique"]) {
    const value = read(said.get(key) ?? "");
    if (allowed(key, value)) state[key] = value;
    else if (SLIDERS[key].none) state[key] = nothing(key);
  }
}

// ---- controls -----------------------------------------------------------------------------------------------------

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function buildControls() {
  $("law").append(...TABLES.laws.map((law) => make("option", { value: law.name }, law.name)));
  $("law").addEventListener("change", (event) => {
    state.law = event.target.value;
    show();
  });
  for (const [key, one] of Object.entries(SLIDERS)) $("sliders").append(slider(key, one));
  $("known").append(
    make("option", { value: "" }, "choose one"),
    ...TABLES.runs.map((run, n) => make("option", { value: n }, run.name)),
  );
  $("known").addEventListener("change", (event) => event.target.value && go(TABLES.runs[event.target.value]));
  for (const button of document.querySelectorAll("[data-go]"))
    button.addEventListener("click", () => go(outcome(LAW[state.law], state)[button.dataset.go]));
  addEventListener("hashchange", () => {
    readAddress();
    show();
  });
}

function slider(key, one) {
  const range = make("input", {
    type: "range",
    id: `${key}-range`,
    min: one.low,
    max: one.high,
    step: 0.01,
    "aria-label": one.label,
  });
  const text = make("input", {
    type: "text",
    id: `${key}-text`,
    "aria-label": `${one.label}, typed`,
    autocomplete: "off",
    spellcheck: "false",
  });
  const end = { low: one.low, high: one.high }[one.none];
  range.addEventListener("input", () =>
    set(key, Number(range.value) === end ? nothing(key) : 10 ** Number(range.value)),
  );
  text.addEventListener("change", () => {
    const value = one.none && /^\s*(0|none|no limit|)\s*$/i.test(text.value) ? nothing(key) : read(text.value);
    text.classList.toggle("wrong", !(allowed(key, value) || (one.none && value === nothing(key))));
    if (!text.classList.contains("wrong")) set(key, value);
  });
  return make(
    "div",
    { class: "slider" },
    make("label", { for: `${key}-range` }, one.label),
    text,
    range,
    make("small", {}, one.unit),
  );
}

function showControls() {
  $("law").value = state.law;
  for (const [key, one] of Object.entries(SLIDERS)) {
    const value = valueOf(key);
    const none = !(value > 0 && Number.isFinite(value));
    $(`${key}-range`).value = none ? one[one.none] : Math.log10(value);
    if (document.activeElement !== $(`${key}-text`))
      $(`${key}-text`).value = none ? (one.none === "low" ? "none" : "no limit") : shown(key, value);
    $(`${key}-range`).setAttribute("aria-valuetext", $(`${key}-text`).value);
  }
  const at = TABLES.runs.findIndex((run) => run.params === state.params && run.tokens === state.tokens);
  $("known").value = at < 0 ? "" : at;
  $("go-served").disabled = !state.inference;
}

$("plane").addEventListener("click", clickPlane);
addEventListener("resize", show);
$("sources").append(...TABLES.laws.map((law) => make("li", {}, `${law.name}: ${law.source}`)));
buildControls();
readAddress();
show();
