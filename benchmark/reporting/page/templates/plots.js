// Sections of figures: only the chosen one is drawn, and only when it comes into view.
const CONFIG = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d", "sendDataToCloud"] };
const drawnPlots = new Map(); // node -> figure

function themed(figure, colours = themeColours()) {
  const layout = structuredClone(figure.layout ?? {});
  const axis = { gridcolor: colours.line, linecolor: colours.line, zerolinecolor: colours.line, tickcolor: colours.line };
  layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
  layout.font = { ...layout.font, color: colours.ink, family: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif" };
  layout.hoverlabel = { bgcolor: colours.card, bordercolor: colours.muted, font: { color: colours.ink }, ...layout.hoverlabel };
  layout.autosize = true;
  layout.margin = { t: 24, r: 24, b: 48, l: 56, ...layout.margin };
  const axes = new Set(["xaxis", "yaxis", ...Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name))]);
  for (const name of axes) layout[name] = { automargin: true, ...axis, ...layout[name] };
  const menu = { bgcolor: colours.card, bordercolor: colours.line, font: { color: colours.ink } };
  layout.updatemenus = layout.updatemenus?.map((given) => ({ ...menu, ...given }));
  return layout;
}

async function drawPlot(node, figure) {
  const Plotly = await loadPlotly();
  drawnPlots.set(node, figure);
  await Plotly.react(node, figure.data, themed(figure), CONFIG);
}

function redrawPlots(colours) {
  for (const [node, figure] of drawnPlots) {
    if (node.isConnected) Plotly.react(node, figure.data, themed(figure, colours), CONFIG);
    else drawnPlots.delete(node);
  }
}

function whenSeen(node, action) {
  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    action();
  }, { rootMargin: "300px" });
  watcher.observe(node);
}

function select(name, values, change) {
  const options = values.map((value, place) => el("option", { value: String(place) }, value));
  return el("label", {}, `${name} `, el("select", { onchange: (event) => change(values[Number(event.target.value)]) }, options));
}

class PlotSection {
  constructor(node, plots) {
    this.node = node;
    this.plots = plots;
    this.seen = false;
    const parts = [...new Set(plots.map((plot) => plot.part))];
    this.parts = parts.length > 1 ? select("Stream and backbone", parts, (part) => this.choosePart(part)) : null;
    node.querySelector("figure").hidden = false;
    node.querySelector(".cells").hidden = false;
    this.choosePart(parts[0]);
    whenSeen(node, () => this.draw());
  }

  choosePart(part) {
    const plots = this.plots.filter((plot) => plot.part === part);
    const names = plots.map((plot) => plot.choice);
    const kept = plots.find((plot) => plot.choice === this.plot?.choice) ?? plots[0];
    const choices = plots.length > 1 ? select("Show", names, (name) => this.show(plots.find((plot) => plot.choice === name))) : null;
    if (choices) choices.querySelector("select").value = String(plots.indexOf(kept));
    const selects = this.node.querySelector(".selects");
    selects.replaceChildren(...[this.parts, choices].filter(Boolean));
    selects.hidden = !selects.childElementCount;
    this.show(kept);
  }

  show(plot) {
    this.plot = plot;
    this.node.querySelector("h3").textContent = plot.title;
    this.node.querySelector("figcaption").textContent = plot.caption;
    this.node.querySelector(".plot").setAttribute("aria-label", plot.alt);
    const details = this.node.querySelector(".cells");
    details.hidden = !plot.cells.length;
    const fill = () => details.querySelector(".scroll").replaceChildren(table(plot.header, plot.cells));
    details.ontoggle = () => { if (details.open) fill(); };
    if (details.open) fill();
    if (this.seen) this.draw();
  }

  draw() {
    this.seen = true;
    return drawPlot(this.node.querySelector(".plot"), this.plot.figure);
  }
}

function startPlots(data) {
  const sections = [...document.querySelectorAll("section.plots")]
    .map((node) => new PlotSection(node, data.plots[node.dataset.section]));
  themeListeners.push(() => redrawPlots());
  startPrinting(sections);
}

// Paper is light and narrow, and shows what was not scrolled to as well.
function startPrinting(sections) {
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("printing");
    if (!window.Plotly) return;
    if (!document.getElementById("overview").hidden) {
      for (const section of sections) {
        section.seen = true;
        drawnPlots.set(section.node.querySelector(".plot"), section.plot.figure);
      }
    }
    redrawPlots();
    for (const node of drawnPlots.keys()) Plotly.relayout(node, { autosize: false, width: 690 });
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("printing");
    if (window.Plotly) redrawPlots();
  });
}
