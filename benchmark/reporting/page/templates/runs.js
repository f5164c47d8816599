// The table of all runs; "#runs/N" shows those of row N of the leaderboard.
const TRACK_NAMES = { agnostic: "one model", given: "domain given", routed: "with router" };
let runsTable = null;
let chosenRow = null;

function startRuns(data, DataTable) {
  const text = DataTable.render.text();
  const figure = { type: "num", className: "number", searchable: false, render: (value, type) => (type === "display" ? percent(value) : value ?? -1) };
  runsTable = new DataTable("#runs-table", {
    data: data.lines.map(([key, row, seed, order, ...figures]) => {
      const [, strategy, settings, track, stream, backbone] = data.rows[row];
      return [key, strategy, settings, TRACK_NAMES[track] ?? track, ...figures, seed, stream, backbone, data.shared.orders[order].join(" > "), row];
    }),
    columns: [
      { title: "run", render: (key, type) => (type === "display" ? el("a", { href: `#run-${key}` }, key) : key) },
      { title: "strategy", render: text },
      { title: "settings", render: text },
      { title: "track", render: text },
      { title: "accuracy", ...figure },
      { title: "bwt", ...figure },
      { title: "OOD kept", ...figure },
      { title: "seed", type: "num", className: "number" },
      { title: "stream", render: text },
      { title: "backbone", render: text },
      { title: "order", className: "wide", render: text },
      { title: "row", visible: false, searchable: false },
    ],
    order: [],
    autoWidth: false,
    deferRender: true,
    pageLength: 25,
    lengthMenu: [25, 100, { label: "all", value: -1 }],
    paging: data.lines.length > 25,
    language: { search: "Search", lengthMenu: "_MENU_ a page", emptyTable: "no runs", zeroRecords: "no run fits" },
    layout: { topStart: "search", topEnd: null, bottomStart: "info", bottomEnd: ["pageLength", "paging"] },
  });
  runsTable.search.fixed("row", (line, values) => chosenRow === null || values[11] === chosenRow);
}

// As recorded, without the interpreter.
function commandOf(run) {
  return !run.command || run.command.startsWith("python") ? run.command : `python ${run.command}`;
}

function showRunsOf(row, data) {
  chosenRow = data.rows[row] ? row : null;
  const note = document.getElementById("chosen-row");
  note.hidden = chosenRow === null;
  if (chosenRow !== null) {
    const [label, , , track] = data.rows[row];
    const commands = new Set(data.lines.filter((line) => line[1] === row).map(([key]) => commandOf(data.runs[key])));
    note.replaceChildren(
      el("p", {}, `Only runs of ${label}, ${TRACK_NAMES[track] ?? track}. `, el("a", { href: "#runs" }, "Show all")),
      ...[...commands].filter(Boolean).map((command) => copyable(command)),
    );
  }
  runsTable.draw();
}
