// One search field and two selects for all tables of a stream and backbone.
async function startBoards() {
  const DataTable = await loadTables();
  for (const board of document.querySelectorAll("[data-board]")) {
    const tables = [...board.querySelectorAll("table.leaderboard")].map((node) => sortable(DataTable, node));
    const tools = board.querySelector(".tools");
    const value = (name) => tools.querySelector(`[data-${name}]`).value;
    const filter = () => tables.forEach((one) => {
      one.search(value("search"));
      for (const name of ["strategy", "track"]) {
        const wanted = value(name);
        one.search.fixed(name, (text, data, index) => !wanted || one.row(index).node().dataset[name] === wanted);
      }
      one.draw();
      one.table().container().closest(".scroll").classList.toggle("empty", one.rows({ search: "applied" }).count() === 0);
    });
    tools.querySelector("[data-search]").oninput = filter;
    tools.querySelectorAll("select").forEach((select) => { select.onchange = filter; });
    tools.hidden = false;
  }
}

// Numbers start with the best value: high first but for what should be low.
function sortable(DataTable, node) {
  const lowFirst = new Set(["rank", "group", "name", "forgetting", "zero_shot_drop", "trainable_parameters",
    "stored_parameters", "train_seconds", "active_fraction"]);
  const columns = [...node.querySelectorAll("col")].map((col) => ({
    type: ["group", "name"].includes(col.className) ? "string" : "num",
    orderSequence: lowFirst.has(col.className) ? ["asc", "desc"] : ["desc", "asc"],
  }));
  const widths = [...node.querySelectorAll("col")].map((col) => col.className);
  const made = new DataTable(node, { ...PLAIN, columns, language: { zeroRecords: "no row fits" } });
  node.querySelectorAll("colgroup col").forEach((col, place) => { col.className = widths[place]; });
  return made;
}
