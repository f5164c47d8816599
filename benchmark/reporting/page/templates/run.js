// The page of one run.
function runPage(key, data) {
  const run = Object.hasOwn(data.runs, key) ? data.runs[key] : null;
  if (!run) return [backLink(), el("h1", {}, "No such run"), el("p", {}, `This page has no run ${key}.`)];
  const order = data.shared.orders[run.order];
  return [
    backLink(),
    el("h1", {}, run.label),
    el("p", { class: "lead" }, `Run ${key}. Domains in the order ${order.join(" > ")}.`),
    ...commandPart(run),
    ...Object.entries(run.tracks).map(([name, track]) => matrixPart(name, track, run, order, data)),
    historyPart(run),
    ...samplesPart(run, data),
    ...galleryPart(run, order),
    settingsPart(run, data),
  ].filter(Boolean);
}

const backLink = () => el("p", { class: "controls" }, el("a", { href: "#runs" }, "← All runs"));
const card = (heading, ...children) => el("section", { class: "card" }, el("h2", {}, heading), ...children);

function commandPart(run) {
  const command = commandOf(run);
  if (!command) return [card("To repeat it", el("p", { class: "muted" }, "The run recorded no command."))];
  const note = "This is the recorded command; it starts every run that was asked for at that time, and skips those already done.";
  return [card("To repeat it", copyable(command), el("p", { class: "muted" }, note))];
}

function shaded(value, images, [low, high]) {
  if (value === null || value === undefined) return el("td", { class: "number" }, "–");
  const title = images ? `${Math.round(value * images)} of ${images} images` : null;
  const heat = 4 + (51 * (value - low)) / (high - low || 1);
  return el("td", { class: "number heat", style: `--heat:${heat.toFixed(1)}%`, title }, percent(value));
}

// One scale for all tracks of a run, so that their tables can be compared.
function span(run) {
  const values = Object.values(run.tracks).flatMap((track) => [...track.accuracy, ...track.ood].flat()).filter((value) => value !== null);
  return [Math.min(...values), Math.max(...values)];
}

function matrixPart(name, track, run, order, data) {
  const counts = data.shared.counts[run.counts];
  const scale = span(run);
  const columns = ["after learning", ...order, ...run.ood];
  const head = columns.map((text, place) => el("th", { scope: "col", class: place === order.length + 1 ? "ood first" : place > order.length && "ood" }, text));
  if (track.router) head.push(el("th", { scope: "col" }, "router right"));
  const lines = track.stages.map((stage, row) => el("tr", {},
    el("th", { scope: "row" }, stageName(stage, order)),
    track.accuracy[row].map((value, place) => {
      const cell = shaded(value, counts[order[place]], scale);
      if (place < stage) cell.classList.add("learned");
      return cell;
    }),
    track.ood[row].map((value, place) => {
      const cell = shaded(value, counts[run.ood[place]], scale);
      cell.classList.add("ood", ...(place ? [] : ["first"]));
      return cell;
    }),
    track.router ? el("td", { class: "number" }, percent(track.router[row])) : null));
  const caption = "Accuracy in percent; each line is a stage, the first one the pre-trained model. Underlined: domains learned by then. Behind the rule: sets never trained on.";
  return card(`Accuracies, ${TRACK_NAMES[name] ?? name}`,
    scrollBox(el("table", { class: "plain matrix" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, lines))),
    el("p", { class: "muted" }, caption));
}

function stageName(stage, order) {
  if (stage === 0) return "nothing (pre-trained)";
  return stage === order.length && order.length > 1 ? `${order[stage - 1]} (the last)` : order[stage - 1];
}

function historyPart(run) {
  const { tasks, loss, active_blocks: active, train_accuracy: accuracy } = run.history;
  const columns = [["loss", loss], ["training accuracy", accuracy], ["active blocks", active]].filter(([, values]) => values);
  if (!columns.length) return null;
  const x = columns[0][1].map((_, place) => place + 1);
  const node = el("div", { class: "plot small", role: "img", "aria-label": `${columns.map(([name]) => name).join(", ")} in each of ${x.length} epochs` });
  whenSeen(node, () => drawPlot(node, historyFigure(columns, tasks, x)));
  const lines = x.map((epoch, place) => [epoch, ...columns.map(([, values]) => values[place])]);
  return card("Training", node, el("details", {}, el("summary", {}, "The same as a table"),
    scrollBox(table(["epoch", ...columns.map(([name]) => name)], lines))));
}

function historyFigure(columns, tasks, x) {
  const looks = { loss: ["#d1495b", "solid", "y"], "training accuracy": ["#3a86c8", "dot", "y2"], "active blocks": ["#2a9d8f", "dash", "y3"] };
  const ends = tasks.map(((sum) => ([, epochs]) => (sum += epochs))(0));
  const starts = [0, ...ends.slice(0, -1)];
  const data = columns.map(([name, y]) => {
    const [color, dash, yaxis] = looks[name];
    return { x, y, name, yaxis, mode: "lines+markers", line: { color, dash, width: 2 }, marker: { size: 5 }, hovertemplate: `${name} %{y}<extra>epoch %{x}</extra>` };
  });
  const layout = {
    height: 300, margin: { l: 50, r: 60, t: 30, b: 60 }, legend: { orientation: "h", y: -0.25 },
    xaxis: { title: { text: "epoch" } },
    yaxis: { title: { text: "loss" }, rangemode: "tozero" },
    yaxis2: { overlaying: "y", visible: false, range: [0, 1.05] },
    yaxis3: { overlaying: "y", side: "right", title: { text: "active blocks" }, showgrid: false, rangemode: "tozero", tickmode: "auto", nticks: 6, tickformat: "d", visible: columns.some(([name]) => name === "active blocks") },
    shapes: ends.slice(0, -1).map((end) => ({ type: "line", x0: end + 0.5, x1: end + 0.5, yref: "paper", y0: 0, y1: 1, line: { width: 1, dash: "dot", color: "#888888" } })),
    annotations: tasks.map(([name], place) => ({ x: (starts[place] + ends[place] + 1) / 2, y: 1.1, yref: "paper", text: name, showarrow: false, font: { size: 11 } })),
  };
  return { data, layout };
}

function samplesPart(run, data) {
  if (!run.samples) return [];
  const classes = data.shared.classes[run.samples.classes];
  return Object.entries(run.samples.tracks).map(([track, sets]) => {
    const lines = Object.entries(sets).map(([set, part]) => {
      const name = (place) => classes?.[set]?.[place] ?? `class ${place}`;
      return [
        set, part.n,
        list(part.worst.map(([place, right, total]) => `${name(place)} ${right} of ${total}`)),
        list(part.lost.map(([place, before, after, total]) => `${name(place)} ${before} → ${after} of ${total}`)),
        list(part.confusion.map(([label, predicted, count]) => `${name(label)} taken for ${name(predicted)}: ${count}`)),
        part.ece === null ? null : percent(part.ece),
      ];
    });
    const header = ["set", "images", "worst classes at the end", "lost most since pre-training", "commonest confusions", "calibration error, %"];
    return card(`By class, ${TRACK_NAMES[track] ?? track}`, scrollBox(table(header, lines, { class: "plain lists" })));
  });
}

const list = (texts) => (texts.length ? el("ul", {}, texts.map((text) => el("li", {}, text))) : "–");

function galleryPart(run, order) {
  if (!run.gallery) return [];
  const { items, total, size, track } = run.gallery;
  const stages = [...new Set(items.map(([stage]) => stage))];
  const groups = stages.map((stage) => {
    const members = items.filter((item) => item[0] === stage);
    return el("div", {}, el("h3", {}, `Wrong after learning ${order[stage - 1] ?? `${stage} domains`}`),
      el("div", { class: "gallery" }, members.map((item) => picture(item, size))));
  });
  const left = total > items.length ? ` ${items.length} of ${total} are in this page; the others were left out to keep it small.` : "";
  return [card("Forgotten images", el("p", { class: "muted" }, `Right before a domain was learned and wrong after it (${TRACK_NAMES[track] ?? track}).${left}`), ...groups)];
}

function picture([, set, id, label, before, after, confidence, image], size) {
  return el("figure", { title: id },
    el("img", { src: `data:image/jpeg;base64,${image}`, width: size, height: size, decoding: "async", alt: `${set}: ${label}, then taken for ${after}` }),
    el("figcaption", {}, el("strong", {}, label), el("span", { class: "muted" }, set),
      el("span", {}, `${before} → ${after}`), el("span", { class: "muted" }, `${percent(confidence, 0)} % sure before`)));
}

function settingsPart(run, data) {
  const settings = data.shared.settings[run.settings];
  const flat = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value));
  const pairs = (fields) => el("dl", { class: "pairs" }, Object.entries(fields).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, flat(value)))));
  const { params = {}, ...strategy } = settings.strategy;
  const part = (heading, fields) => el("div", {}, el("h3", {}, heading), pairs(fields));
  return card("Settings and environment", el("div", { class: "columns" },
    part("Strategy", { ...strategy, ...params }),
    part("Training", { ...settings.train, seed: run.seed }),
    part("Stream", settings.stream),
    part("Backbone", settings.backbone),
    part("Cost", run.cost),
    part("Environment", data.shared.environments[run.environment])));
}
