// The gallery's viewer: opens a card's ECG, draws it on its paper, lets leads and size be chosen. No library, no network.
"use strict";
(() => {
  // A unit of the drawings is 0.05 mm, as on the cards: 25 mm/s, 10 mm/mV.
  const MM = 20, SQUARE = 5 * MM, SECOND = 25 * MM, PER_MICROVOLT = 10 * MM / 1000;
  const PULSE = 3 * SQUARE, LABEL = 90, LEAST_UP = 3 * SQUARE, LEAST_DOWN = 2 * SQUARE, FARTHEST = 8 * SQUARE;
  const SIZES = [0.25, 0.33, 0.5, 0.67, 0.75, 1, 1.25, 1.5, 2, 3, 4];
  const MISSING = -32768;
  const SVG = "http://www.w3.org/2000/svg";

  const { leads: LEADS, ecgs } = JSON.parse(document.getElementById("ecgs").textContent);
  const part = name => document.getElementById(name);
  const viewer = part("viewer"), paper = part("paper");
  const cards = [...document.querySelectorAll("a.open")];
  const leadButtons = [...document.querySelectorAll("[data-lead]")];
  const state = { ecg: 0, leads: new Set(), size: null };

  // ---- signals

  /** The twelve rows of microvolts of one ECG; packing.py tells how they are packed. */
  function unpack({ signals, samples }) {
    const bytes = Uint8Array.from(atob(signals), letter => letter.charCodeAt(0));
    let at = 0;
    return LEADS.map(() => {
      let value = 0;
      return Int16Array.from({ length: samples }, () => {
        let step = bytes[at++];
        if (step === 128) {
          step = bytes[at] | bytes[at + 1] << 8;
          at += 2;
        } else if (step > 128) {
          step -= 256;
        }
        value = (value + step) << 16 >> 16;
        return value;
      });
    });
  }

  /** Units above the baseline, which is the lead's median; null where a sample is missing. */
  function centred(row) {
    const known = row.filter(value => value !== MISSING).sort();
    const middle = known.length ? known[known.length >> 1] : 0;
    return Array.from(row, value => value === MISSING ? null : Math.round((value - middle) * PER_MICROVOLT));
  }

  // ---- drawing

  /** Lines of segments: the standard page when no lead is chosen, else a line a lead. */
  function lines(samples) {
    if (state.leads.size) {
      return LEADS.filter(lead => state.leads.has(lead)).map(lead => [{ lead, first: 0, last: samples }]);
    }
    const edge = column => Math.round(column * samples / 4);
    const segment = (row, column) => ({ lead: LEADS[3 * column + row], first: edge(column), last: edge(column + 1) });
    const page = [0, 1, 2].map(row => [0, 1, 2, 3].map(column => segment(row, column)));
    return [...page, [{ lead: "II", first: 0, last: samples }]];
  }

  function squares(length) {
    return SQUARE * Math.ceil(Math.min(length, FARTHEST) / SQUARE);
  }

  /** The line with its room above and below the baseline, in units. */
  function roomy(line, rows) {
    const shown = line.flatMap(({ lead, first, last }) => rows[LEADS.indexOf(lead)].slice(first, last));
    const up = shown.reduce((most, value) => Math.max(most, value), 0);
    const down = -shown.reduce((least, value) => Math.min(least, value), 0);
    return { line, up: Math.max(LEAST_UP, squares(up + LABEL)), down: Math.max(LEAST_DOWN, squares(down)) };
  }

  function node(tag, attributes, text = "") {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    return made;
  }

  function grid(width, height) {
    let fine = "";
    for (let at = MM; at < SQUARE; at += MM) fine += `M${at} 0V${SQUARE}M0 ${at}H${SQUARE}`;
    const pattern = node("pattern", { id: "grid", width: SQUARE, height: SQUARE, patternUnits: "userSpaceOnUse" });
    pattern.append(node("path", { d: fine, class: "fine" }));
    pattern.append(node("path", { d: `M0 0V${SQUARE}M0 0H${SQUARE}`, class: "coarse" }));
    return [pattern, node("rect", { width, height, class: "paper" }), node("rect", { width, height, fill: "url(#grid)" })];
  }

  /** Path of a segment; missing samples are gaps. */
  function trace(row, { first, last }, rate, baseline) {
    let path = "", down = false;
    for (let at = first; at < last; at++) {
      if (row[at] !== null) path += `${down ? "L" : "M"}${Math.round(PULSE + at / rate * SECOND)} ${baseline - row[at]}`;
      down = row[at] !== null;
    }
    return path;
  }

  function draw() {
    const ecg = ecgs[state.ecg];
    const rows = unpack(ecg).map(centred);
    const drawn = lines(ecg.samples).map(line => roomy(line, rows));
    const width = PULSE + SQUARE * Math.ceil(ecg.samples / ecg.rate * SECOND / SQUARE) + SQUARE / 2;
    const height = drawn.reduce((sum, { up, down }) => sum + up + down, 0);
    const svg = node("svg", { viewBox: `0 0 ${width} ${height}`, class: "ecg", role: "img" });
    svg.setAttribute("aria-label", `${ecg.mark} ECG, ${ecg.codes}. ${ecg.facts}. ${leadsText()}; 25 mm/s, 10 mm/mV.`);
    svg.append(...grid(width, height));
    let path = "", top = 0;
    for (const { line, up, down } of drawn) {
      const baseline = top + up;
      path += `M${MM} ${baseline}h${MM}v${-10 * MM}h${SQUARE}v${10 * MM}h${MM}`;
      for (const segment of line) {
        const left = Math.round(PULSE + segment.first / ecg.rate * SECOND);
        path += trace(rows[LEADS.indexOf(segment.lead)], segment, ecg.rate, baseline);
        if (segment.first) path += `M${left} ${top + MM / 2}v${2 * MM}`;
        svg.append(node("text", { x: left + 16, y: top + 74, class: "lead" }, segment.lead));
      }
      top += up + down;
    }
    svg.append(node("path", { d: path, class: "trace" }));
    svg.dataset.width = width / MM;
    paper.replaceChildren(svg);
    resize();
  }

  function leadsText() {
    return state.leads.size ? `leads ${[...state.leads].join(", ")}` : "page of 3 × 4 leads over lead II";
  }

  // ---- size

  /** The whole page in the window, where it stays large enough to be read; else what is chosen, in full width. */
  function fitting(svg) {
    const { width, height } = svg.viewBox.baseVal;
    const share = paper.clientHeight / height * width / paper.clientWidth;
    return !state.leads.size && share >= 0.5 && share < 1 ? `${100 * share}%` : "100%";
  }

  function resize() {
    const svg = paper.firstElementChild;
    svg.style.width = state.size === null ? fitting(svg) : `${svg.dataset.width * state.size}mm`;
    part("size").textContent = `${Math.round(100 * sizeNow())} %`;
    part("fit").setAttribute("aria-pressed", state.size === null);
  }

  /** What the paper measures on the screen, as a share of 25 mm/s. */
  function sizeNow() {
    const svg = paper.firstElementChild;
    return svg.getBoundingClientRect().width / (svg.dataset.width * 96 / 25.4);
  }

  function zoom(direction) {
    const now = sizeNow();
    const middle = paper.clientWidth / 2;
    const share = (paper.scrollLeft + middle) / paper.scrollWidth;
    const larger = SIZES.filter(size => size > now * 1.01), smaller = SIZES.filter(size => size < now * 0.99);
    state.size = (direction > 0 ? larger[0] : smaller.at(-1)) ?? state.size;
    resize();
    paper.scrollLeft = share * paper.scrollWidth - middle;
  }

  // ---- leads

  function choose(leads) {
    state.leads = new Set(leads);
    part("page").setAttribute("aria-pressed", !state.leads.size);
    part("all").setAttribute("aria-pressed", state.leads.size === LEADS.length);
    for (const button of leadButtons) button.setAttribute("aria-pressed", state.leads.has(button.dataset.lead));
    draw();
  }

  function toggle(lead) {
    const leads = new Set(state.leads);
    if (!leads.delete(lead)) leads.add(lead);
    choose(leads);
  }

  // ---- the viewer

  function tell(ecg) {
    part("mark").textContent = ecg.mark;
    part("mark").className = `badge ${ecg.mark.toLowerCase()}`;
    part("viewer-title").textContent = ecg.codes;
    part("viewer-meaning").textContent = ecg.meaning;
    part("viewer-facts").textContent = ecg.facts;
    part("place").textContent = `${state.ecg + 1} of ${ecgs.length}`;
  }

  function show(number) {
    state.ecg = (number + ecgs.length) % ecgs.length;
    if (!viewer.open) {
      // A phone's width is too small for a page: it begins in a size that can be read, and is moved about.
      if (state.size === null && innerWidth < 700) state.size = 1;
      viewer.showModal();
      part("viewer-title").focus();
    }
    tell(ecgs[state.ecg]);
    draw();
    paper.scrollTo(0, 0);
  }

  function walk(step) {
    show(state.ecg + step);
    history.replaceState(null, "", `#ecg-${state.ecg}`);
  }

  function showAddressed() {
    const number = /^#ecg-(\d+)$/.exec(location.hash)?.[1];
    if (number !== undefined && number < ecgs.length) show(Number(number));
    else if (viewer.open) viewer.close();
  }

  viewer.addEventListener("close", () => {
    if (location.hash.startsWith("#ecg-")) history.replaceState(null, "", location.href.split("#")[0]);
    cards[state.ecg].focus();
  });
  viewer.addEventListener("click", event => { if (event.target === viewer) viewer.close(); });
  addEventListener("hashchange", showAddressed);
  addEventListener("resize", () => { if (viewer.open) resize(); });
  part("previous").addEventListener("click", () => walk(-1));
  part("next").addEventListener("click", () => walk(1));
  part("close").addEventListener("click", () => viewer.close());
  part("page").addEventListener("click", () => choose([]));
  part("all").addEventListener("click", () => choose(LEADS));
  part("smaller").addEventListener("click", () => zoom(-1));
  part("larger").addEventListener("click", () => zoom(1));
  part("fit").addEventListener("click", () => { state.size = null; resize(); });
  for (const button of leadButtons) button.addEventListener("click", () => toggle(button.dataset.lead));

  // ---- keys

  const inViewer = {
    ArrowLeft: () => walk(-1), ArrowRight: () => walk(1),
    ArrowUp: () => paper.scrollBy(0, -80), ArrowDown: () => paper.scrollBy(0, 80),
    "+": () => zoom(1), "=": () => zoom(1), "-": () => zoom(-1), "−": () => zoom(-1),
    0: () => { state.size = null; resize(); },
    p: () => choose([]), P: () => choose([]), a: () => choose(LEADS), A: () => choose(LEADS),
  };

  /** The card beside, or the nearest in the row above or below. */
  function neighbour(card, key) {
    const at = cards.indexOf(card);
    if (key === "ArrowLeft" || key === "ArrowRight") return cards[at + (key === "ArrowRight" ? 1 : -1)];
    if (key === "Home" || key === "End") return cards.at(key === "Home" ? 0 : -1);
    const from = card.getBoundingClientRect();
    const rowsAway = cards.slice(key === "ArrowDown" ? at + 1 : 0, key === "ArrowDown" ? undefined : at)
      .map(other => ({ other, box: other.getBoundingClientRect() }))
      .filter(({ box }) => Math.abs(box.top - from.top) > from.height / 2);
    const distance = ({ box }) => 10 * Math.abs(box.top - from.top) + Math.abs(box.left - from.left);
    return rowsAway.sort((one, two) => distance(one) - distance(two))[0]?.other;
  }

  addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (viewer.open) {
      // Paper wider than the window is moved by the arrows while it has the focus.
      const wide = paper.scrollWidth > paper.clientWidth;
      if (!inViewer[event.key] || (event.target === paper && wide && event.key.startsWith("Arrow"))) return;
      event.preventDefault();
      inViewer[event.key]();
    } else if (cards.includes(event.target) && /^(Arrow|Home$|End$)/.test(event.key)) {
      const next = neighbour(event.target, event.key);
      if (!next) return;
      event.preventDefault();
      next.focus();
    }
  });

  document.documentElement.classList.add("scripted");
  // Not earlier: the browser takes the focus to the address's place when the page is complete.
  addEventListener("load", showAddressed);
})();
