// What the right side shows of `outcome(law, state)`: figures and two tables here, three charts in drawings.js.

let pending;

function show() {
  const law = LAW[state.law];
  const now = outcome(law, state);
  showControls();
  showFigures(law, now);
  showWarning(law, now);
  drawIsoflop(law, now);
  drawPlane(law, now);
  drawEpochs(now);
  showPlans(law, now);
  showLaws();
  clearTimeout(pending); // browsers refuse more than some hundred changes of the address in half a minute
  pending = setTimeout(() => history.replaceState(null, "", address()), 200);
}

function showFigures(law, now) {
  const over = now.loss - now.optimum.loss;
  const needed = Number.isFinite(now.flopsNeeded)
    ? `${power(now.flopsNeeded)} FLOPs, ${percent(now.flopsNeeded / now.flops)} of C, reach this loss at best`
    : "";
  const figures = [
    [
      "Expected loss",
      now.loss.toFixed(4),
      "nats/token",
      `${(now.loss - law.floor).toFixed(4)} above the law's floor, ${law.floor.toFixed(3)}`,
    ],
    ["Training compute, FLOPs", power(now.flops), "", `${si(now.params)} parameters on ${si(now.tokens)} tokens`],
    [
      "Tokens a parameter",
      digits(now.tokens / now.params),
      "",
      `${digits(now.tokens / now.params / TABLES.rule)} × the rule of ${TABLES.rule}`,
    ],
    [
      "Least loss at this C",
      now.optimum.loss.toFixed(4),
      "nats/token",
      `${si(now.optimum.params)} on ${si(now.optimum.tokens)}: ${digits(now.optimum.tokens / now.optimum.params)} a parameter`,
    ],
    ["Above the least loss", `${over >= 0 ? "+" : "−"}${Math.abs(over).toFixed(4)}`, "nats", needed],
  ];
  if (now.served) figures.push(servedFigure(now));
  if (now.repeated)
    figures.push([
      "Passes over the text",
      digits(now.repeated.epochs),
      "",
      `worth ${si(now.repeated.effective)} fresh tokens: loss ${now.repeated.loss.toFixed(4)}; muennighoff2023 says ${now.repeated.constrained.toFixed(4)}`,
    ]);
  $("figures").replaceChildren(
    ...figures.map(([name, value, unit, more]) =>
      make(
        "div",
        { class: "figure" },
        make("span", {}, name),
        make("b", {}, value, " ", make("small", {}, unit)),
        make("span", {}, more),
      ),
    ),
  );
}

function servedFigure(now) {
  const total = lifetimeFlops(now.params, now.tokens, state.inference);
  const saved = 1 - lifetimeFlops(now.served.params, now.served.tokens, state.inference) / total;
  return [
    "Trained and served, FLOPs",
    power(total),
    "",
    `${percent(1 - now.flops / total)} of it to serve; ${si(now.served.params)} on ${si(now.served.tokens)} would save ${percent(saved)}`,
  ];
}

function showWarning(law, now) {
  const said = [];
  const [low, high] = law.ratios ?? [0, Infinity];
  const ratio = now.tokens / now.params;
  if (ratio < low || ratio > high)
    said.push(
      `${law.name} was fitted on ${digits(low)} to ${digits(high)} tokens a parameter; this plan has ${digits(ratio)}.`,
    );
  const [least, most] = law.fitted ?? [0, Infinity];
  if (now.flops > 10 * most)
    said.push(`This is ${digits(now.flops / most)} times the largest run that ${law.name} was fitted on.`);
  if (now.flops < least / 10)
    said.push(`This is ${digits(least / now.flops)} times below the smallest run that ${law.name} was fitted on.`);
  $("warning").textContent = said.join(" ");
  const apart =
    law.form === "Kaplan"
      ? " Its best plans are the paper's own power law of compute, not the minimum of its loss."
      : "";
  $("law-note").textContent = law.source + apart;
}

function fill(table, head, rows) {
  const line = (cells, tag) => make("tr", {}, ...cells.map((cell) => make(tag, {}, cell)));
  $(table).replaceChildren(
    make("thead", {}, line(head, "th")),
    make("tbody", {}, ...rows.map((cells) => line(cells, "td"))),
  );
}

function showLaws() {
  const head = ["law", "loss", "least loss at C", "its N", "its D", "its D / N", "above it", "fitted on, FLOPs"];
  fill(
    "laws",
    head,
    TABLES.laws.map((law) => {
      const loss = lossOf(law, state.params, state.tokens);
      const best = optimal(law, flopsOf(state.params, state.tokens));
      const range = law.fitted ? law.fitted.map((flops) => power(flops, 0)).join(" – ") : "not said";
      return [
        law.name,
        loss.toFixed(4),
        best.loss.toFixed(4),
        si(best.params),
        si(best.tokens),
        digits(best.tokens / best.params),
        (loss - best.loss).toFixed(4),
        range,
      ];
    }),
  );
  [...$("laws").tBodies[0].rows].forEach((row, n) => row.classList.toggle("chosen", TABLES.laws[n].name === state.law));
}

function showPlans(law, now) {
  const plans = [
    ["this plan", now],
    ["least loss at this C", now.optimum],
    [`${TABLES.rule} tokens a parameter`, now.rule20],
    ["same loss, least to train", now.cheapest],
  ];
  if (now.served) plans.push(["same loss, least to train and serve", now.served]);
  if (now.repeated)
    plans.push(["best on the unique tokens", planned(law, now.repeated.optimum.params, now.repeated.optimum.tokens)]);
  const head = [
    "plan",
    "N",
    "D",
    "D / N",
    "loss",
    "train, FLOPs",
    ...(now.served ? ["train and serve"] : []),
    ...(now.repeated ? ["passes", "loss with them"] : []),
  ];
  fill(
    "plans",
    head,
    plans.map(([name, { params, tokens, loss }]) => [
      name,
      si(params),
      si(tokens),
      digits(tokens / params),
      shownLoss(loss),
      power(flopsOf(params, tokens)),
      ...(now.served ? [power(lifetimeFlops(params, tokens, state.inference))] : []),
      ...(now.repeated
        ? [digits(tokens / state.unique), lossOf(law, params, decayed(tokens, state.unique, TABLES.repeats)).toFixed(4)]
        : []),
    ]),
  );
  $("plans-note").textContent = [
    now.served &&
      `Serving takes 2N FLOPs a token, ${si(state.inference)} tokens of it. A FLOP served costs more than one trained: winnow budget --inference-tokens counts dollars too.`,
    now.repeated && "The first loss takes all tokens as fresh; the best plan on the unique ones is by muennighoff2023.",
  ]
    .filter(Boolean)
    .join(" ");
}

const shownLoss = (loss) => (Number.isFinite(loss) ? loss.toFixed(4) : "–");
