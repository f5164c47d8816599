// Data and libraries lie in the page as gzip in base64.
async function unpacked(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
}

async function libraryUrl(name) {
  const text = await (await unpacked(`library-${name}`)).text();
  return URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
}

let plotlyLoading = null;
function loadPlotly() {
  plotlyLoading ??= libraryUrl("plotly").then((url) => new Promise((resolve, reject) => {
    document.head.append(Object.assign(document.createElement("script"), {
      src: url, onload: () => resolve(window.Plotly), onerror: reject,
    }));
  }));
  return plotlyLoading;
}
