// Elements are built from text only: a name in the data can never become markup.
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "onclick" || name === "onchange") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

function table(header, lines, attributes = { class: "plain" }) {
  const cell = (value) => {
    if (value instanceof Node) return el("td", {}, value);
    const number = typeof value === "number";
    return el("td", { class: number && "number" }, value === null || value === undefined ? "–" : String(value));
  };
  return el(
    "table", attributes,
    el("thead", {}, el("tr", {}, header.map((name, place) => {
      const numbers = lines.some((line) => typeof line[place] === "number");
      return el("th", { scope: "col", class: numbers && "number" }, String(name));
    }))),
    el("tbody", {}, lines.map((line) => el("tr", {}, line.map(cell)))),
  );
}

const scrollBox = (...children) => el("div", { class: "scroll", tabindex: "0" }, ...children);

const percent = (value, digits = 1) =>
  value === null || value === undefined ? "–" : (100 * value).toFixed(digits).replace(/^-(0\.0+)$/, "$1").replace("-", "−");

function copyButton(text) {
  const button = el("button", { type: "button", class: "copy controls" }, "Copy");
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // Some browsers keep the clipboard from pages on disk: select the text for the user instead.
      getSelection().selectAllChildren(button.parentElement.querySelector("pre"));
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  };
  return button;
}

const copyable = (text) => el("div", { class: "copyable" }, el("pre", {}, text), copyButton(text));
