// One slide at a time, by the keys that keyboards and clickers send; S calls up a slider that moves the star.

const NEXT = new Set(["ArrowRight", "ArrowDown", " ", "PageDown", "Enter"]);
const BACK = new Set(["ArrowLeft", "ArrowUp", "PageUp", "Backspace"]);
const node = (name, className, text = "") =>
  Object.assign(document.createElement(name), { className, textContent: text });

export default function ({ parentElement: root, data: told, setStateValue, setTriggerValue }) {
  const deck = root.querySelector(".deck"), room = deck.querySelector(".slides"), nav = deck.querySelector("nav");
  const place = nav.querySelector(".place"), slider = deck.querySelector(".slider"), range = slider.querySelector("input");
  const said = slider.querySelector("output"), spoken = deck.querySelector("div.spoken");
  deck.classList.toggle("dark", told.dark);
  deck.classList.toggle("light", !told.dark);
  const count = told.slides.length;
  const first = deck.at === undefined;
  // Streamlit may put a new deck in the old one's place at any time: what the hand had called up is kept beside it.
  const hand = (window.dimapHand ??= { at: told.at, moving: false, value: null, heard: null, live: null });
  if (first) deck.at = hand.at;
  const moving = (on) => { hand.moving = on; deck.classList.toggle("moving", on); };

  const key = JSON.stringify(told.slides);
  if (deck.key !== key) {
    deck.key = key;
    room.replaceChildren(...told.slides.map((one, at) => {
      const slide = node("section", `slide ${one.kind}`);
      slide.setAttribute("aria-roledescription", "slide");
      slide.setAttribute("aria-label", `${at + 1} of ${count}`);
      const head = node("h2", "", one.first);
      if (one.second) head.append(node("span", "second", one.second));
      const body = Object.assign(node("div", "body"), { innerHTML: one.body }), foot = node("div", "foot");
      if (body.querySelectorAll("tbody tr").length > 7) body.querySelector("table").classList.add("many");
      foot.append(node("span", "", one.foot), node("b", "", `${at + 1} / ${count}`));
      slide.append(head, body, foot);
      return slide;
    }));
  }
  const words = () => room.children[deck.at]?.querySelector("h2").textContent ?? "";
  const show = (at, silent) => {
    const to = Math.min(Math.max(at, 0), count - 1), moved = to !== deck.at;
    if (!silent) deck.at = hand.at = to; // slides may still come: a link's place is kept for them
    [...room.children].forEach((slide, k) => {
      slide.classList.toggle("shown", k === to);
      slide.setAttribute("aria-hidden", k === to ? "false" : "true");
    });
    place.textContent = `${to + 1} / ${count}`;
    if (moved && !silent) {
      spoken.textContent = words();
      setStateValue("at", to);
      if (to !== told.live) moving(false);
    }
  };
  show(deck.at, true);
  deck.querySelector(".doing").textContent = told.doing;

  const write = () => { said.textContent = hand.heard ?? `${range.value} %`; };
  const call = () => {
    if (told.live < 0) return;
    moving(!hand.moving);
    if (!hand.moving) return;
    show(told.live);
    range.value = hand.value ??= told.ratio;
    write();
    range.focus();
    setTriggerValue("ratio", Number(range.value));
  };
  range.oninput = () => {
    hand.value = Number(range.value);
    hand.heard = null;
    write();
    clearTimeout(deck.later);
    deck.later = setTimeout(() => setTriggerValue("ratio", Number(range.value)), 60);
  };
  range.setAttribute("aria-label", "Share of all weights that is cut");

  const leave = () => {
    delete window.dimapHand;
    setTriggerValue("leave", true);
  };
  nav.querySelector(".back").onclick = () => show(deck.at - 1);
  nav.querySelector(".on").onclick = () => show(deck.at + 1);
  nav.querySelector(".live").onclick = call;
  nav.querySelector(".live").hidden = told.live < 0;
  nav.querySelector(".end").onclick = leave;

  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const within = root.activeElement ?? root.getRootNode().activeElement;
    const onSlider = hand.moving && within === range;
    const onButton = within?.tagName === "BUTTON" && (event.key === " " || event.key === "Enter");
    if (onButton) return;
    if (onSlider && event.key.startsWith("Arrow")) return;
    if (event.key === "Escape") hand.moving ? moving(false) : leave();
    else if (event.key.toLowerCase() === "s") call();
    else if (NEXT.has(event.key)) show(deck.at + 1);
    else if (BACK.has(event.key)) show(deck.at - 1);
    else if (event.key === "Home") show(0);
    else if (event.key === "End") show(count - 1);
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  // The star has a place once images judged the live cut.
  const star = ({ detail: live }) => {
    hand.live = live;
    hand.heard = live.said;
    write();
    put();
  };
  const put = () => {
    const live = hand.live;
    if (!live) return;
    const group = room.children[told.live]?.querySelector("g.live");
    if (!group || !told.frame.length) return;
    const [none, all, wrong, right, low] = told.frame;
    const x = none + (all - none) * live.x, y = (share) => wrong + (right - wrong) * Math.max(share, low);
    group.setAttribute("display", live.y === null ? "none" : "inline");
    if (live.y === null) return;
    group.querySelector(".star").style.transform = `translate(${x}px, ${y(live.y)}px)`;
    const line = group.querySelector(".between");
    for (const [name, value] of [["x1", x], ["x2", x], ["y1", y(live.low)], ["y2", y(live.high)]]) line.setAttribute(name, value);
  };
  const wake = () => {
    nav.classList.add("seen");
    clearTimeout(deck.shy);
    deck.shy = setTimeout(() => nav.classList.remove("seen"), 2500);
  };
  let from = null;
  const down = (event) => { from = event.clientX; };
  const up = (event) => {
    const by = from === null ? 0 : event.clientX - from;
    from = null;
    if (Math.abs(by) > 60 && event.pointerType === "touch") show(deck.at + (by < 0 ? 1 : -1));
  };
  deck.stop?.();
  window.addEventListener("keydown", pressed, true);
  window.addEventListener("dimap-star", star);
  deck.addEventListener("pointermove", wake);
  deck.addEventListener("pointerdown", down);
  deck.addEventListener("pointerup", up);
  if (first) {
    wake();
    moving(hand.moving);
    if (hand.value !== null) range.value = hand.value;
    write();
    if (hand.moving) range.focus();
  }
  put();
  deck.stop = () => {
    window.removeEventListener("keydown", pressed, true);
    window.removeEventListener("dimap-star", star);
    deck.removeEventListener("pointermove", wake);
    deck.removeEventListener("pointerdown", down);
    deck.removeEventListener("pointerup", up);
  };
  return deck.stop;
}
