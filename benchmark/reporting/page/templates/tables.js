// DataTables, once for the leaderboard and the runs.
let tablesLoading = null;
function loadTables() {
  tablesLoading ??= libraryUrl("datatables").then((url) => import(url)).then((module) => module.default);
  return tablesLoading;
}

const PLAIN = { paging: false, info: false, searching: true, ordering: true, order: [], autoWidth: false, layout: {
  topStart: null, topEnd: null, bottomStart: null, bottomEnd: null,
} };
