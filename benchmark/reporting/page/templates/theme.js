// The theme is an attribute of <html>; without it the system decides.
const darkSystem = matchMedia("(prefers-color-scheme: dark)");
const themeListeners = [];

function chosenTheme() {
  try { return localStorage.getItem("selora-bench-theme") ?? "system"; } catch { return "system"; }
}

function applyTheme(choice) {
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  document.documentElement.classList.toggle("dark", choice === "dark" || (choice === "system" && darkSystem.matches));
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
  }
  themeListeners.forEach((listener) => listener());
}

function startTheme() {
  applyTheme(chosenTheme());
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.onclick = () => {
      try { localStorage.setItem("selora-bench-theme", button.dataset.themeChoice); } catch { /* not remembered */ }
      applyTheme(button.dataset.themeChoice);
    };
  }
  darkSystem.addEventListener("change", () => applyTheme(chosenTheme()));
}

// Read where the style sheet has settled them, so that figures never have colours of their own to keep in step.
function themeColours() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  return { ink: colour("--ink"), muted: colour("--muted"), line: colour("--line"), card: colour("--card") };
}
