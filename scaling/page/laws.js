// The formulas of laws.py, repetition.py and lifetime.py again, for the page; TABLES (constants) is written by explorer.py
// from the Python tables. tests/scaling/test_explorer.py holds both to the same numbers in a real browser.
// A law that cannot answer (a loss below its floor) gives NaN where Python raises LawError.

const FORMS = {
  Chinchilla: {
    loss: (law, params, tokens) => law.E + law.A * params ** -law.alpha + law.B * tokens ** -law.beta,
    tokensToReach: (law, params, loss) =>
      (law.B / above(loss - law.E - law.A * params ** -law.alpha)) ** (1 / law.beta),
  },
  Kaplan: {
    loss: (law, params, tokens) => (kaplanModel(law, params) + law.D_c / tokens) ** law.alpha_D,
    tokensToReach: (law, params, loss) => law.D_c / above(loss ** (1 / law.alpha_D) - kaplanModel(law, params)),
  },
};

const kaplanModel = (law, params) => (law.N_c / params) ** (law.alpha_N / law.alpha_D);
const above = (left) => (left > 0 ? left : NaN);
const flopsOf = (params, tokens) => TABLES.flops_per_param_token * params * tokens;
const lossOf = (law, params, tokens) => FORMS[law.form].loss(law.constants, params, tokens);
const tokensToReach = (law, params, loss) => FORMS[law.form].tokensToReach(law.constants, params, loss);

/** The plan of least loss that `flops` pays for. */
function optimal(law, flops) {
  const params = law.allocation.scale * flops ** law.allocation.exponent;
  return planned(law, params, flops / (TABLES.flops_per_param_token * params));
}

/** The rule of 20 tokens a parameter at the same compute. */
function rule20(law, flops) {
  const params = Math.sqrt(flops / (TABLES.flops_per_param_token * TABLES.rule));
  return planned(law, params, TABLES.rule * params);
}

const planned = (law, params, tokens) => ({ params, tokens, loss: lossOf(law, params, tokens) });

/** The least compute that reaches `loss`; NaN at or below the law's floor. */
function flopsFor(law, loss) {
  if (!(loss > law.floor)) return NaN;
  let [low, high] = [0, Math.log(TABLES.most)];
  while (high - low > 1e-12 * high) {
    const middle = (low + high) / 2;
    if (optimal(law, Math.exp(middle)).loss > loss) low = middle;
    else high = middle;
  }
  return Math.exp(high);
}

// ---- repeated data: repetition.py ---------------------------------------------------------------------------------

function decayed(amount, base, repeats) {
  const unique = Math.min(base, amount);
  return unique * (1 - repeats * Math.expm1(-(amount / unique - 1) / repeats));
}

/** Loss in effective parameters and tokens, for a law with R_D and R_N. */
function repeatedLoss(law, params, tokens, unique) {
  const { scale, exponent } = law.allocation;
  const { R_D, R_N } = law.constants;
  const fed = (scale * (TABLES.flops_per_param_token * Math.min(unique, tokens)) ** exponent) ** (1 / (1 - exponent));
  return lossOf(law, decayed(params, fed, R_N), decayed(tokens, unique, R_D));
}

/** The best plan for some compute on so many unique tokens, under the law that has effective parameters too. */
function constrainedOptimal(law, flops, unique) {
  const tokensOf = (params) => flops / (TABLES.flops_per_param_token * params);
  const loss = (params) => repeatedLoss(law, params, tokensOf(params), unique);
  const params = least(loss, TABLES.least.params, tokensOf(TABLES.least.tokens) * (1 - 1e-12));
  return { params, tokens: tokensOf(params), loss: loss(params) };
}

/** Where a function is least, as search.py: grids that narrow on a log scale. NaN stands for infinity. */
function least(of, low, high) {
  let best = NaN;
  for (let pass = 0; pass < TABLES.search.passes; pass++) {
    const last = TABLES.search.points - 1;
    const place = (n) => low * (high / low) ** (n / last);
    let [at, value] = [0, Infinity];
    for (let n = 0; n <= last; n++) {
      const found = of(place(n));
      if (found < value) [at, value] = [n, found];
    }
    best = place(at);
    [low, high] = [place(Math.max(at - 1, 0)), place(Math.min(at + 1, last))];
  }
  return best;
}

// ---- trained once and served for life: lifetime.py ----------------------------------------------------------------

const lifetimeFlops = (params, tokens, inference) =>
  flopsOf(params, tokens) + TABLES.inference_flops * params * inference;

/** The plan of this loss that takes the least FLOPs to train and to serve. */
function served(law, loss, inference) {
  const optimum = optimal(law, flopsFor(law, loss));
  const total = (params) => lifetimeFlops(params, tokensToReach(law, params, loss), inference);
  const params = least(total, TABLES.least.params, Math.min(10 * optimum.params, TABLES.most));
  return { params, tokens: tokensToReach(law, params, loss), loss };
}

// ---- all that the page shows of a plan ----------------------------------------------------------------------------

/** plan: {params, tokens, inference (tokens served, 0 for none), unique (tokens, Infinity for no limit)}. */
function outcome(law, plan) {
  const flops = flopsOf(plan.params, plan.tokens);
  const now = planned(law, plan.params, plan.tokens);
  const flopsNeeded = flopsFor(law, now.loss);
  return {
    ...now,
    flops,
    optimum: optimal(law, flops),
    rule20: rule20(law, flops),
    flopsNeeded,
    cheapest: optimal(law, flopsNeeded),
    served: plan.inference ? served(law, now.loss, plan.inference) : null,
    repeated: Number.isFinite(plan.unique) ? repeated(law, flops, plan) : null,
  };
}

/** What repetition makes of a plan: worth in fresh tokens, the loss by this law, and what the law of repetition says. */
function repeated(law, flops, { params, tokens, unique }) {
  const effective = decayed(tokens, unique, TABLES.repeats);
  const constrained = TABLES.laws.find((one) => one.constants.R_N !== undefined);
  return {
    epochs: tokens / unique,
    effective,
    loss: lossOf(law, params, effective),
    constrained: repeatedLoss(constrained, params, tokens, unique),
    optimum: constrainedOptimal(constrained, flops, unique),
  };
}
