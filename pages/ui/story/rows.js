// The story as a list: title, and of each cut its letter, name, sentence, place, and what is found of it.

const made = (name, fields = {}, ...children) => {
  const { dataset, ...rest } = fields;
  const node = Object.assign(document.createElement(name), rest);
  Object.assign(node.dataset, dataset);
  node.append(...children);
  return node;
};

export default function ({ parentElement: root, data: told, setTriggerValue }) {
  const list = root.querySelector("ol"), title = root.querySelector(".title"), spoken = root.querySelector(".spoken");
  const rows = () => [...list.children].map((row) => ({
    key: Number(row.dataset.key), name: row.querySelector(".name").value, note: row.querySelector(".note").value,
  }));
  const send = () => setTriggerValue("edit", { title: title.value, rows: rows() });
  const typed = root.activeElement ?? document.activeElement?.shadowRoot?.activeElement;
  const keep = (field, value) => { if (field !== typed || !field.dirty) field.value = value; };

  // A row is made once and moved about, so that the focus stays where it is.
  const make = (key) => {
    const row = made("li", { dataset: { key } },
      made("button", { className: "handle", type: "button", textContent: "⠿", draggable: true }),
      made("span", { className: "letter" }),
      made("input", { className: "name", maxLength: told.most.name, placeholder: "Name" }),
      made("input", { className: "note", maxLength: told.most.note, placeholder: "One sentence: what does it show?" }),
      made("span", { className: "do" },
        made("button", { type: "button", textContent: "Use", dataset: { do: "force" } }),
        made("button", { type: "button", textContent: "Remove", dataset: { do: "remove" } })),
      made("div", { className: "found" }));
    const handle = row.querySelector(".handle");
    handle.onkeydown = (event) => {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      place(row, [...list.children].indexOf(row) + by);
      handle.focus();
    };
    handle.ondragstart = (event) => {
      event.dataTransfer.setData("text/plain", row.querySelector(".name").value);
      event.dataTransfer.setDragImage(row, 20, 20);
      row.classList.add("dragged");
      list.dragged = row;
    };
    handle.ondragend = () => {
      list.dragged = null;
      for (const one of list.children) one.classList.remove("over", "after", "dragged");
    };
    const after = (event) => {
      const box = row.getBoundingClientRect();
      return event.clientY > box.y + box.height / 2;
    };
    row.ondragover = (event) => {
      if (!list.dragged) return;
      event.preventDefault();
      for (const one of list.children) one.classList.remove("over", "after");
      row.classList.add("over");
      row.classList.toggle("after", after(event));
    };
    row.ondrop = (event) => {
      if (!list.dragged) return;
      event.preventDefault();
      const moved = list.dragged, others = [...list.children].filter((one) => one !== moved);
      if (moved !== row) place(moved, others.indexOf(row) + (after(event) ? 1 : 0));
    };
    row.onclick = (event) => {
      const act = event.target.dataset?.do;
      if (act === "force") setTriggerValue("force", Number(row.dataset.key));
      if (act === "remove") {
        const next = row.nextElementSibling ?? row.previousElementSibling;
        row.remove();
        (next?.querySelector(".handle") ?? title).focus();
        send();
      }
    };
    return row;
  };
  const place = (row, at) => {
    const others = [...list.children].filter((one) => one !== row);
    if (at < 0 || at > others.length || list.children[at] === row) return;
    list.insertBefore(row, others[at] ?? null);
    letters();
    spoken.textContent = `${row.querySelector(".name").value} is number ${at + 1} of ${others.length + 1} now`;
    send();
  };
  const letters = () => [...list.children].forEach((row, at) => {
    const letter = "ABCDEFGHI"[at], name = row.querySelector(".name").value;
    row.querySelector(".letter").textContent = letter;
    row.querySelector(".handle").setAttribute("aria-label", `Move ${letter}, ${name}: arrow keys up and down, or drag`);
    row.querySelector(".name").setAttribute("aria-label", `Name of ${letter}`);
    row.querySelector(".note").setAttribute("aria-label", `Sentence on ${letter}`);
    for (const button of row.querySelectorAll("[data-do]")) {
      button.setAttribute("aria-label", `${button.textContent} ${letter}, ${name}`);
    }
  });

  const known = new Map([...list.children].map((row) => [row.dataset.key, row]));
  const wanted = told.rows.map((one) => known.get(String(one.key)) ?? make(one.key));
  if (wanted.some((row, at) => list.children[at] !== row) || list.children.length !== wanted.length) {
    const focused = list.getRootNode().activeElement;
    list.replaceChildren(...wanted);
    if (focused?.isConnected) focused.focus();
  }
  told.rows.forEach((one, at) => {
    const row = wanted[at], found = row.querySelector(".found");
    keep(row.querySelector(".name"), one.name);
    keep(row.querySelector(".note"), one.note);
    found.textContent = one.found;
    found.classList.toggle("bad", one.bad);
  });
  keep(title, told.title);
  letters();
  for (const field of root.querySelectorAll("input")) {
    field.oninput = () => { field.dirty = true; };
    field.onchange = () => { field.dirty = false; letters(); send(); };
    field.onkeydown = (event) => { if (event.key === "Enter") field.blur(); event.stopPropagation(); };
  }
}
