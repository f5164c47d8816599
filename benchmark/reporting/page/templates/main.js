// What is shown follows from the address: "#run-KEY", "#runs/N" or a section.
let placeBefore = 0;

function route(data) {
  const hash = location.hash.slice(1);
  const overview = document.getElementById("overview");
  const page = document.getElementById("run");
  const key = hash.startsWith("run-") ? hash.slice(4) : null;
  if (key !== null) {
    if (!overview.hidden) placeBefore = scrollY;
    overview.hidden = true;
    page.hidden = false;
    page.replaceChildren(...runPage(key, data));
    document.title = `selora-bench: ${data.runs[key]?.label ?? "no such run"}`;
    scrollTo({ top: 0, behavior: "instant" });
    return;
  }
  const returning = overview.hidden;
  overview.hidden = false;
  page.hidden = true;
  page.replaceChildren();
  document.title = "selora-bench: results";
  const [section, row] = hash.split("/");
  if (section === "runs") showRunsOf(row === undefined ? null : Number(row), data);
  if (returning && row === undefined) scrollTo({ top: placeBefore, behavior: "instant" });
  else if (row !== undefined) document.getElementById("runs").scrollIntoView();
}

async function start() {
  startTheme();
  for (const box of document.querySelectorAll(".copyable")) box.append(copyButton(box.querySelector("pre").textContent));
  const data = await (await unpacked("data")).json();
  const DataTable = await loadTables();
  startRuns(data, DataTable);
  addEventListener("hashchange", () => route(data));
  route(data);
  startPlots(data);
  await startBoards();
  document.documentElement.dataset.ready = "";
  // Printing cannot wait for it, so it is loaded even if no figure was scrolled to.
  setTimeout(loadPlotly, 300);
}

start().catch((error) => {
  const box = document.getElementById("problem");
  box.hidden = false;
  box.textContent = `Figures and tables cannot be shown: ${error.message}. The browser may be too old: it must know DecompressionStream.`;
  throw error;
});
