"use strict";
// Stepping through runs, and walking through the state graph. Text goes in by textContent only.

const make = (tag, text, name) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (name) node.className = name;
  return node;
};
const plain = (text) => text.replaceAll("`", "");

// A table of variables; `old` are those before, to mark what is new.
const facts = (now, old) => Object.entries(now).map(([name, value]) => {
  const row = make("tr", undefined, old && old[name] !== value ? "new" : "");
  row.append(make("th", plain(name)), make("td", value));
  return row;
});

// A run: its rows, and the state after each.
class Run {
  constructor(article) {
    this.article = article;
    this.rows = [...article.querySelectorAll(".step")];
    this.at = 0;
    this.stepping = false; // at first the whole run is dark, to be read
    this.states = [];
    for (const changed of JSON.parse(article.querySelector(".data").textContent)) {
      this.states.push({ ...this.states.at(-1), ...changed });
    }
    this.rows.forEach((row, number) => row.addEventListener("click", () => {
      this.stepping = true;
      this.go(number);
    }));
    const end = this.rows.length - 1;
    this.moves = { first: () => 0, back: () => this.at - 1, on: () => this.at + 1, last: () => end };
    for (const button of article.querySelectorAll("[data-go]")) {
      button.addEventListener("click", () => this.move(button.dataset.go));
    }
    const more = article.querySelector(".more");
    more.addEventListener("click", () => {
      more.setAttribute("aria-expanded", String(more.closest(".state").classList.toggle("all")));
    });
    this.go(0, false);
  }
  move(how) {
    this.stepping = true;
    this.go(this.moves[how](), true);
  }
  go(number, scroll = false) {
    const end = this.rows.length - 1;
    this.at = Math.max(0, Math.min(number, end));
    this.rows.forEach((row, place) => {
      row.classList.toggle("now", place === this.at);
      row.classList.toggle("later", this.stepping && place > this.at);
      if (place === this.at) row.setAttribute("aria-current", "step"); else row.removeAttribute("aria-current");
    });
    this.article.querySelector("output").textContent = `step ${this.at + 1} of ${end + 1}`;
    for (const button of this.article.querySelectorAll("[data-go]")) {
      const back = ["first", "back"].includes(button.dataset.go);
      button.disabled = this.at === (back ? 0 : end);
    }
    const before = this.at > 0 ? this.states[this.at - 1] : undefined;
    this.article.querySelector(".state tbody").replaceChildren(...facts(this.states[this.at] ?? {}, before));
    if (scroll) this.show(this.rows[this.at]);
  }
  // Brings a row between the header and, where the screen is narrow, the sheet with the state.
  show(row) {
    const place = row.getBoundingClientRect();
    const narrow = matchMedia("(max-width: 900px)").matches;
    const low = innerHeight * (narrow ? 0.62 : 0.9);
    if (place.top < 110) scrollBy(0, place.top - 130);
    else if (place.bottom > low) scrollBy(0, place.bottom - low + 40);
  }
}

// The runs of one section, of which one is shown.
class Runs {
  constructor(section) {
    this.section = section;
    this.runs = new Map([...section.querySelectorAll(".run")].map((article) => [article.dataset.name, new Run(article)]));
    this.select = section.querySelector("select");
    this.select.addEventListener("change", () => this.open(this.select.value));
    for (const link of section.querySelectorAll("[data-run]")) {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        history.replaceState(null, "", link.getAttribute("href"));
        this.open(link.dataset.run);
        const top = section.getBoundingClientRect().top;
        if (top < 0) scrollBy(0, top - 70);
      });
    }
    this.open(this.runs.keys().next().value);
  }
  open(name) {
    this.name = name;
    this.select.value = name;
    for (const [other, run] of this.runs) run.article.classList.toggle("open", other === name);
    for (const link of this.section.querySelectorAll("[data-run]")) {
      if (link.dataset.run !== name) { link.removeAttribute("aria-current"); continue; }
      link.setAttribute("aria-current", "true");
      const index = link.closest(".index");
      const [place, frame] = [link.getBoundingClientRect(), index.getBoundingClientRect()];
      if (place.top < frame.top || place.bottom > frame.bottom) index.scrollTop += place.top - frame.top - 40;
    }
  }
  next(by) {
    const names = [...this.runs.keys()];
    this.open(names[(names.indexOf(this.name) + by + names.length) % names.length]);
  }
  get run() { return this.runs.get(this.name); }
}

const sections = [...document.querySelectorAll(".runs")].map((section) => new Runs(section));

// The section whose runs the keys are for: the one that is nearest to the middle of the screen.
const nearest = () => {
  const away = (runs) => {
    const place = runs.section.getBoundingClientRect();
    const middle = innerHeight / 2;
    return place.top <= middle && place.bottom >= middle ? 0 : Math.min(Math.abs(place.top - middle), Math.abs(place.bottom - middle));
  };
  return sections.toSorted((one, other) => away(one) - away(other))[0];
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(SELECT|INPUT|TEXTAREA)$/.test(event.target.tagName)) return;
  const runs = nearest();
  if (!runs) return;
  const moves = { ArrowLeft: "back", ArrowRight: "on", Home: "first", End: "last" };
  if (event.key in moves) runs.run.move(moves[event.key]);
  else if (event.key === "n" || event.key === "p") runs.next(event.key === "n" ? 1 : -1);
  else return;
  event.preventDefault();
});

const follow = () => {
  const article = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const runs = article && sections.find((each) => each.section.contains(article));
  if (!runs || !article.classList.contains("run")) return;
  runs.open(article.dataset.name);
  article.scrollIntoView();
};
addEventListener("hashchange", follow);
follow();

// The state graph: a state is chosen, which is in one box of each view.
class Walk {
  constructor(data, section) {
    this.data = data;
    this.section = section;
    this.panel = section.querySelector(".walk");
    this.boxes = data.views.map((view) => {
      const found = [];
      view.members.forEach((states, box) => states.forEach((state) => { found[state] = box; }));
      return found;
    });
    this.after = new Map();
    for (const [begin, action, end] of data.steps) {
      if (!this.after.has(begin)) this.after.set(begin, []);
      this.after.get(begin).push([action, end]);
    }
    this.figures = [...section.querySelectorAll("figure")];
    this.tabs = [...section.querySelectorAll("[data-view][role=tab]")];
    this.tabs.forEach((tab, number) => tab.addEventListener("click", () => this.turn(number)));
    this.figures.forEach((figure, view) => {
      for (const box of figure.querySelectorAll(".box")) {
        const choose = () => this.go(this.data.views[view].members[box.dataset.box][0]);
        box.addEventListener("click", choose);
        box.addEventListener("keydown", (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          choose();
        });
        box.addEventListener("pointerenter", () => this.near(figure, box.dataset.box));
        box.addEventListener("pointerleave", () => this.near(figure, null));
      }
    });
    this.view = 0;
    this.go(0);
  }
  turn(view) {
    this.view = view;
    this.figures.forEach((figure, number) => { figure.hidden = number !== view; });
    this.tabs.forEach((tab, number) => tab.setAttribute("aria-selected", String(number === view)));
    this.go(this.state);
  }
  // While the pointer is on a box, only its own steps are dark.
  near(figure, box) {
    figure.classList.toggle("near", box !== null);
    for (const edge of figure.querySelectorAll("[data-begin]")) {
      edge.classList.toggle("on", box !== null && (edge.dataset.begin === box || edge.dataset.end === box));
    }
  }
  go(state) {
    const before = this.state === undefined ? undefined : this.named(this.state);
    this.state = state;
    this.figures.forEach((figure, view) => {
      for (const box of figure.querySelectorAll(".box")) {
        const here = Number(box.dataset.box) === this.boxes[view][state];
        box.classList.toggle("here", here);
        if (here && !figure.hidden) this.show(box);
      }
    });
    const view = this.data.views[this.view];
    const box = this.boxes[this.view][state];
    const members = view.members[box];
    const place = members.indexOf(state);
    const which = make("div", undefined, "which");
    const turn = (text, by, label) => {
      const button = make("button", text);
      button.type = "button";
      button.setAttribute("aria-label", label);
      button.disabled = members.length < 2;
      button.addEventListener("click", () => this.go(members[(place + by + members.length) % members.length]));
      return button;
    };
    which.append(turn("‹", -1, "the state before in this box"), make("span", `state ${place + 1} of ${members.length}`), turn("›", 1, "the next state in this box"));
    const actions = make("div", undefined, "actions");
    for (const [action, end] of this.after.get(state) ?? []) {
      const button = make("button", action, this.data.writers[action]);
      button.type = "button";
      button.title = plain(this.data.says[action] ?? "");
      button.addEventListener("click", () => this.go(end));
      actions.append(button);
    }
    const table = make("table", undefined, "facts");
    const body = make("tbody");
    body.append(...facts(this.named(state), before));
    table.append(body);
    const begin = make("button", "back to the beginning");
    begin.type = "button";
    begin.addEventListener("click", () => { this.state = undefined; this.go(0); });
    begin.disabled = state === 0;
    this.panel.replaceChildren(
      make("h4", "The chosen state"), make("p", view.boxes[box].map(plain).filter(Boolean).join(", ")), which, table,
      make("h4", "What can happen next"), actions, begin,
    );
  }
  // Brings a box into the middle where the drawing is wider than its frame.
  show(box) {
    const scroll = box.closest(".scroll");
    const [place, frame] = [box.getBoundingClientRect(), scroll.getBoundingClientRect()];
    scroll.scrollLeft += place.left + place.width / 2 - frame.left - frame.width / 2;
  }
  named(state) {
    return Object.fromEntries(this.data.variables.map((name, place) => [name, String(this.data.states[state][place])]));
  }
}

const space = document.getElementById("space");
if (space) new Walk(JSON.parse(space.textContent), document.querySelector("#graph"));
