// The three charts: plans in the plane, loss at equal compute, and what passes are worth.

const COLOUR = {
  you: "var(--you)",
  best: "var(--best)",
  rule: "var(--rule)",
  serve: "var(--serve)",
  faint: "var(--faint)",
};

function drawIsoflop(law, now) {
  const low = Math.min(now.optimum.params, now.params, now.rule20.params) / 12;
  const high = Math.max(now.optimum.params, now.params, now.rule20.params) * 12;
  const curve = spread(low, high).map((params) => [
    params,
    lossOf(law, params, now.flops / (TABLES.flops_per_param_token * params)),
  ]);
  const least = Math.min(now.loss, now.optimum.loss, ...curve.map(([, loss]) => loss));
  const top = Math.max(
    now.loss,
    now.rule20.loss,
    ...curve.filter(([n]) => n > low * 6 && n < high / 6).map(([, loss]) => loss),
  );
  const pad = 0.08 * (top - least);
  const drawn = chart(
    $("isoflop"),
    { low, high, say: si, label: `parameters, with tokens to spend ${power(now.flops)} FLOPs` },
    {
      low: least - pad,
      high: top + 2 * pad,
      linear: true,
      say: (loss) => Number(loss.toFixed(4)).toString(),
      label: "loss, nats a token",
    },
  );
  drawn.line(curve, COLOUR.best);
  drawn.dot([now.rule20.params, now.rule20.loss], COLOUR.rule, "20 tokens a parameter");
  drawn.dot([now.optimum.params, now.optimum.loss], COLOUR.best, "least loss");
  drawn.dot([now.params, now.loss], COLOUR.you, "this plan");
  named(drawn, [
    [[now.params, now.loss], "this plan", COLOUR.you],
    [[now.optimum.params, now.optimum.loss], "least loss", COLOUR.best],
    [[now.rule20.params, now.rule20.loss], "20 a parameter", COLOUR.rule],
  ]);
}

/** Names beside dots, each above, below or left of its own so that none covers another. */
function named(drawn, all) {
  const taken = [];
  for (const [place, text, colour] of all) {
    const [x, y] = [drawn.across(place[0]), drawn.up(place[1])];
    const wide = 7.2 * text.length;
    const spots = [
      [9, -9],
      [9, 20],
      [-9 - wide, -9],
      [-9 - wide, 20],
      [9, -26],
      [9, 37],
    ];
    const free = spots
      .map(([a, b]) => ({ x: x + a, y: y + b }))
      .find(
        (at) =>
          at.x > EDGE.left &&
          at.x + wide < drawn.wide &&
          at.y > EDGE.top &&
          at.y < HIGH - EDGE.bottom &&
          taken.every((other) => at.x > other.x + other.wide || other.x > at.x + wide || Math.abs(at.y - other.y) > 16),
      );
    if (!free) continue;
    taken.push({ ...free, wide });
    drawn.text(free, text, { style: `fill: ${colour}` });
  }
}

const PLANE = { params: { low: 1e7, high: 1e13 }, tokens: { low: 1e9, high: 5e14 } };

function drawPlane(law, now) {
  const drawn = chart(
    $("plane"),
    { ...PLANE.params, say: si, label: "parameters" },
    { ...PLANE.tokens, say: si, label: "training tokens" },
  );
  const models = spread(PLANE.params.low, PLANE.params.high, 600); // a contour turns upright within 1 % of its least model
  for (const exponent of [18, 20, 22, 24, 26, 28]) {
    const { params, loss } = optimal(law, 10 ** exponent);
    drawn.line(
      models.map((n) => [n, tokensToReach(law, n, loss)]),
      COLOUR.faint,
      { "stroke-width": 1 },
    );
    const beside = Math.min(params * 12, PLANE.params.high / 2);
    drawn.label([beside, tokensToReach(law, beside, loss)], loss.toFixed(2));
  }
  drawn.line(
    models.map((n) => [n, tokensToReach(law, n, now.loss)]),
    COLOUR.you,
    { "stroke-width": 1.5, "stroke-dasharray": "2 3" },
  );
  drawn.line(
    models.map((n) => [n, now.flops / (TABLES.flops_per_param_token * n)]),
    COLOUR.faint,
    { "stroke-dasharray": "6 4", "stroke-width": 1.5 },
  );
  drawn.line(
    models.map((n) => [n, TABLES.rule * n]),
    COLOUR.rule,
    { "stroke-dasharray": "8 4" },
  );
  drawn.line(
    spread(1e14, 1e32)
      .map((c) => optimal(law, c))
      .map((plan) => [plan.params, plan.tokens]),
    COLOUR.best,
  );
  for (const run of TABLES.runs)
    drawn.dot([run.params, run.tokens], "var(--ink)", `${run.name}: ${si(run.params)} on ${si(run.tokens)}`, {
      r: 3.5,
      opacity: 0.75,
    });
  if (now.served) drawn.dot([now.served.params, now.served.tokens], COLOUR.serve, "same loss, least with serving");
  drawn.dot([now.params, now.tokens], COLOUR.you, "this plan", { r: 7 });
  const served = now.served ? [[[now.served.params, now.served.tokens], "best with serving", COLOUR.serve]] : [];
  named(drawn, [
    [[now.params, now.tokens], "this plan", COLOUR.you],
    ...served,
    ...TABLES.runs.filter((run) => run.shown).map((run) => [[run.params, run.tokens], run.name, "var(--ink)"]),
  ]);
}

function clickPlane(event) {
  const box = $("plane").getBoundingClientRect();
  const wide = $("plane").viewBox.baseVal.width;
  const at = { x: ((event.clientX - box.left) / box.width) * wide, y: ((event.clientY - box.top) / box.height) * HIGH };
  const along = (value, from, to, { low, high }) => low * (high / low) ** ((value - from) / (to - from));
  const params = along(at.x, EDGE.left, wide - EDGE.right, PLANE.params);
  const tokens = along(at.y, HIGH - EDGE.bottom, EDGE.top, PLANE.tokens);
  const within = (value, { low, high }) => value >= low && value <= high;
  if (within(params, PLANE.params) && within(tokens, PLANE.tokens)) go({ params, tokens });
}

function drawEpochs(now) {
  const worth = (passes) => decayed(passes, 1, TABLES.repeats);
  const passes = now.repeated ? now.repeated.epochs : 1;
  const most = Math.max(100, Math.min(1e4, 2 * passes));
  const drawn = chart(
    $("epochs"),
    { low: 1, high: most, say: digits, label: "passes over the unique tokens" },
    { low: 1, high: most, say: digits, label: "fresh passes they are worth" },
  );
  const along = spread(1, most);
  drawn.line(
    along.map((n) => [n, n]),
    COLOUR.faint,
    { "stroke-dasharray": "6 4" },
  );
  drawn.line(
    along.map((n) => [n, worth(n)]),
    COLOUR.best,
  );
  for (const n of [4, 16, 40]) {
    drawn.dot([n, worth(n)], COLOUR.best, `${n} passes`, { r: 3.5 });
    drawn.label([n, worth(n) * 0.72], `${n} → ${digits(worth(n))}`);
  }
  if (now.repeated) drawn.dot([Math.max(1, passes), Math.max(1, worth(passes))], COLOUR.you, "this plan", { r: 7 });
}
