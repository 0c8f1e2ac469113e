
"use strict";
// Text from the image reaches the page as text nodes only, whatever is in it.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const map = find("map");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  // Areas in pixels below which things are drawn together: those that can have the focus, others.
  const SMALL_TOP = 480;
  const SMALL = 170;
  const GAP = 2;
  const HUES = [258, 148];

  const FATES = ["kept", "replaced", "removed"];

  // Words

  const bytes = (size) => {
    let value = size;
    for (const unit of ["B", "KiB", "MiB", "GiB"]) {
      if (value < 1024) return unit === "B" ? `${value} B` : `${value.toFixed(1)} ${unit}`;
      value /= 1024;
    }
    return `${value.toFixed(1)} TiB`;
  };
  const share = (part, whole) => {
    if (part === 0 || part === whole) return part ? "100 %" : "0 %";
    const percent = (100 * part) / whole;
    return percent < 1 ? "<1 %" : `${Math.min(Math.round(percent), 99)} %`;
  };
  const count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;

  const element = (name, className, ...content) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.append(...content);
    return made;
  };

  // The tree of a view. A node has name, size, wasted, count, parent and children; a file has
  // layer, fate and by instead of children. Directories know their largest files, for a colour.

  const directory = (name, parent, layer) => {
    const node = { name, parent, layer, children: [], size: 0, wasted: 0, count: 0, kept: null, gone: null };
    if (parent) parent.children.push(node);
    return node;
  };

  const build = (view) => {
    const root = directory("/", null);
    const byLayer = view === "layers";
    const tops = byLayer ? data.layers.map((_, layer) => directory(`Layer ${layer + 1}`, root, layer)) : [root];
    const places = tops.map(() => new Map());
    const { dir, name, size, layer, fate, by, count } = data.files;
    for (let at = 0; at < size.length; at += 1) {
      if (!size[at] || (view === "wasted" && !fate[at])) continue;
      const where = byLayer ? layer[at] : 0;
      const parent = place(dir[at], tops[where], places[where]);
      add({
        name: name[at] === null ? `${count[at].toLocaleString("en")} small files` : name[at],
        parent, size: size[at], wasted: fate[at] ? size[at] : 0, count: count[at],
        layer: layer[at], fate: fate[at], by: by[at],
      });
    }
    tidy(root);
    return root;
  };

  // Directories are listed after those that they are in, and are not deep.
  const place = (number, top, known) => {
    if (number === 0) return top;
    let node = known.get(number);
    if (!node) {
      const [parent, name] = data.dirs[number];
      node = directory(name, place(parent, top, known));
      known.set(number, node);
    }
    return node;
  };

  const add = (file) => {
    file.parent.children.push(file);
    for (let node = file.parent; node; node = node.parent) {
      node.size += file.size;
      node.wasted += file.wasted;
      node.count += file.count;
      const lead = file.fate ? "gone" : "kept";
      if (!node[lead] || node[lead].size < file.size) node[lead] = file;
    }
  };

  // The largest first; a directory with nothing but another one in it is one with that.
  const tidy = (node) => {
    node.children = node.children.filter((child) => child.size > 0);
    for (const child of node.children) if (child.children) tidy(child);
    if (node.parent && node.layer === undefined && node.children.length === 1 && node.children[0].children) {
      const [only] = node.children;
      node.name = `${node.name}/${only.name}`;
      node.children = only.children;
      for (const child of node.children) child.parent = node;
    }
    node.children.sort((one, other) => other.size - one.size);
  };

  const pathOf = (node) => {
    const names = [];
    for (let here = node; here.parent; here = here.parent) {
      if (!here.rest && !(here.children && here.layer !== undefined)) names.unshift(here.name);
    }
    return `/${names.join("/")}`;
  };

  // Squarified treemaps (Bruls, Huizing, van Wijk 2000): rows along the shorter side, each as
  // long as that makes its rectangles squarer.
  const squarify = (items, x, y, width, height, put) => {
    let left = items.reduce((sum, item) => sum + item.size, 0);
    let start = 0;
    while (start < items.length) {
      const side = Math.min(width, height);
      const scale = (width * height) / left;
      let end = start;
      let sum = 0;
      let worst = Infinity;
      while (end < items.length) {
        const next = sum + items[end].size * scale;
        const ratio = Math.max(
          (side * side * items[start].size * scale) / (next * next),
          (next * next) / (side * side * items[end].size * scale),
        );
        if (ratio > worst) break;
        worst = ratio;
        sum = next;
        end += 1;
      }
      const thick = sum / side;
      let along = 0;
      for (; start < end; start += 1) {
        const long = (items[start].size * scale) / thick;
        if (width >= height) put(items[start], x, y + along, thick, long);
        else put(items[start], x + along, y, long, thick);
        along += long;
        left -= items[start].size;
      }
      if (width >= height) { x += thick; width -= thick; } else { y += thick; height -= thick; }
    }
  };

  // What is too small to be seen by itself becomes one thing, which can be zoomed into.
  const gathered = (node, area, small) => {
    const least = (node.size * small) / area;
    let first = node.children.findIndex((child) => child.size < least);
    // Where all are small, as many as there is room for.
    if (first === 0) first = Math.max(Math.floor(area / small), 1);
    if (first < 0 || node.children.length - first < 2) return node.children;
    const rest = directory("", node);
    node.children.pop();
    rest.rest = true;
    rest.children = node.children.slice(first);
    for (const child of rest.children) {
      rest.size += child.size;
      rest.wasted += child.wasted;
      rest.count += child.count;
      for (const lead of ["kept", "gone"]) {
        const file = child.children ? child[lead] : (child.fate ? "gone" : "kept") === lead && child;
        if (file && (!rest[lead] || rest[lead].size < file.size)) rest[lead] = file;
      }
    }
    rest.name = `${rest.children.length.toLocaleString("en")} smaller`;
    // In its place by size, so that rows stay square.
    const shown = node.children.slice(0, first);
    const at = shown.findIndex((child) => child.size < rest.size);
    shown.splice(at < 0 ? shown.length : at, 0, rest);
    return shown;
  };

  // Drawing

  const nodes = new WeakMap();
  let view = "all";
  let roots = {};
  let here = null;
  let tops = [];

  const hue = (layer) => {
    const last = Math.max(data.layers.length - 1, 1);
    return HUES[0] + ((HUES[1] - HUES[0]) * layer) / last;
  };
  const paint = (made, layer, fate) => {
    made.classList.add(FATES[fate]);
    if (!fate) made.style.setProperty("--h", hue(layer));
    return made;
  };

  const cell = (node, x, y, width, height) => {
    const made = element("div", "cell");
    const right = Math.round(x + width);
    const bottom = Math.round(y + height);
    const box = { x: Math.round(x), y: Math.round(y) };
    box.width = Math.max(right - box.x - GAP, 1);
    box.height = Math.max(bottom - box.y - GAP, 1);
    made.style.left = `${box.x}px`;
    made.style.top = `${box.y}px`;
    made.style.width = `${box.width}px`;
    made.style.height = `${box.height}px`;
    nodes.set(made, node);
    return [made, box];
  };

  const drawInto = (parent, node, x, y, width, height, isTop) => {
    const items = gathered(node, width * height, isTop ? SMALL_TOP : SMALL);
    const made = [];
    squarify(items, x, y, width, height, (child, ...place) => {
      const [one, box] = cell(child, ...place);
      fill(one, child, box, isTop);
      parent.append(one);
      made.push([one, child, box]);
    });
    return made;
  };

  const fill = (made, node, { width, height }, isTop) => {
    const head = isTop ? 24 : 20;
    const inside = [width - 6 + GAP, height - head - 3 + GAP];
    if (node.children && !node.rest && width > 52 && inside[1] > 16) {
      made.classList.add("frame");
      made.append(label(node, width > 112));
      drawInto(made, node, 3, head, ...inside, false);
    } else {
      const wasted = node.children ? node.wasted * 2 > node.size : node.fate;
      const lead = node.children ? (wasted ? node.gone : node.kept) : node;
      paint(made, lead.layer, lead.fate).classList.add("leaf");
      const room = Math.min(7 * node.name.length + 12, node.rest ? 96 : 64);
      if (width > room && height > 20) made.append(label(node, width > 68 && height > 38));
    }
    if (node.children) made.classList.add("zooms");
  };

  const label = (node, withSize) => {
    const made = element("div", "label", element("b", "", node.name));
    if (node.children && node.layer !== undefined) made.append(element("em", "", data.layers[node.layer].command));
    if (withSize) made.append(element("span", "", bytes(node.size)));
    return made;
  };

  const draw = (from) => {
    const stage = element("div", "stage");
    const { width, height } = map.getBoundingClientRect();
    tops = [];
    map.replaceChildren(stage);
    map.setAttribute("aria-label", `${pathOf(here)}, ${bytes(here.size)}`);
    if (!here.size || width < 8) {
      stage.append(element("p", "nothing", view === "wasted" ? "Nothing is carried for nothing." : "There are no bytes here."));
    } else {
      tops = drawInto(stage, here, GAP, GAP, width - GAP, height - GAP, true);
      tops.forEach(([made, node], at) => {
        made.classList.add("top");
        made.tabIndex = at ? -1 : 0;
        made.setAttribute("role", "treeitem");
        made.setAttribute("aria-level", "1");
        made.setAttribute("aria-setsize", String(tops.length));
        made.setAttribute("aria-posinset", String(at + 1));
        if (node.children) made.setAttribute("aria-expanded", "false");
        made.setAttribute("aria-label", spoken(node));
      });
    }
    if (from && !calm.matches && stage.animate) {
      const scale = `translate(${from.x}px, ${from.y}px) scale(${from.width / width}, ${from.height / height})`;
      stage.animate([{ transform: scale, opacity: 0.35 }, { transform: "none", opacity: 1 }], { duration: 190, easing: "cubic-bezier(.2,.7,.2,1)" });
    }
  };

  const spoken = (node) => {
    const words = [node.name, bytes(node.size), share(node.size, here.size)];
    if (node.children) words.push(count(node.count, "file"));
    if (node.wasted) words.push(`${bytes(node.wasted)} wasted`);
    return words.join(", ");
  };

  const drawTrail = () => {
    const steps = [];
    for (let node = here; node; node = node.parent) steps.unshift(node);
    const trail = find("trail");
    trail.replaceChildren();
    steps.forEach((node, at) => {
      const button = element("button", "", node.parent ? node.name : { all: "/", layers: "All layers", wasted: "/ (wasted)" }[view]);
      button.type = "button";
      if (node === here) button.setAttribute("aria-current", "location");
      else button.addEventListener("click", () => go(node, null, true));
      if (at) trail.append(element("i", "", "›"));
      trail.append(button);
    });
  };

  // Details

  const stepLine = (words, layer, className = "") => {
    const line = element("p", `step ${className}`, element("span", "", words));
    line.append(element("code", "", data.layers[layer].command || "(nothing said)"));
    return line;
  };

  const describe = (node) => {
    const facts = element("p", "facts", element("strong", "", bytes(node.size)));
    facts.append(`, ${share(node.size, roots[view].size)} of ${view === "wasted" ? "what is wasted" : "all files"}`);
    if (node.count > 1) facts.append(`, ${count(node.count, "file")}`);
    if (node.children && node.wasted && node.wasted < node.size) facts.append(`, ${bytes(node.wasted)} of it carried for nothing`);
    else if (node.children && node.wasted) facts.append(", all of it carried for nothing");
    const lines = [facts];
    if (node.layer !== undefined) lines.push(stepLine(`Layer ${node.layer + 1}`, node.layer));
    if (node.fate) {
      const again = node.by === node.layer;
      const how = again ? `Twice in the archive of layer ${node.by + 1}` : `${node.fate === 1 ? "Replaced" : "Removed"} in layer ${node.by + 1}`;
      lines.push(stepLine(how, node.by, "fate"));
    }
    const title = node.rest ? `${pathOf(node.parent)}: ${node.name}` : node.count > 1 && !node.children ? `${pathOf(node.parent)}: ${node.name}` : pathOf(node);
    find("details").replaceChildren(element("p", "path", title), ...lines);
  };

  // Moving

  const go = (node, from, focus) => {
    here = node;
    draw(from);
    drawTrail();
    describe(here);
    if (focus && tops.length) tops[0][0].focus();
  };

  const zoomIn = (node, box, focus) => {
    if (node.children) go(node, box, focus);
    else describe(node);
  };

  const zoomOut = () => {
    if (!here.parent) return;
    const left = here;
    go(here.parent, null, false);
    const at = tops.findIndex(([, node]) => node === left || (left.rest && node.rest));
    (tops[at < 0 ? 0 : at] || [map])[0].focus();
  };

  // The nearest cell on that side, those beside it before those further up or down.
  const neighbour = (from, [dx, dy]) => {
    const middle = ({ x, y, width, height }) => [x + width / 2, y + height / 2];
    const [fx, fy] = middle(from);
    let best = null;
    let least = Infinity;
    for (const top of tops) {
      const box = top[2];
      const [x, y] = middle(box);
      const ahead = dx ? (dx > 0 ? box.x - from.x - from.width : from.x - box.x - box.width)
        : (dy > 0 ? box.y - from.y - from.height : from.y - box.y - box.height);
      if (ahead < -2) continue;
      const aside = dx ? Math.max(box.y - from.y - from.height, from.y - box.y - box.height, 0)
        : Math.max(box.x - from.x - from.width, from.x - box.x - box.width, 0);
      const distance = ahead + 3 * aside + 0.02 * Math.hypot(x - fx, y - fy);
      if (distance < least) { least = distance; best = top; }
    }
    return best;
  };

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  map.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const current = tops.find(([made]) => made === document.activeElement);
    let next = null;
    if (event.key === "Escape" || event.key === "Backspace") zoomOut();
    else if (!current) return;
    else if (event.key === "Enter" || event.key === " ") zoomIn(current[1], current[2], true);
    else if (ARROWS[event.key]) next = neighbour(current[2], ARROWS[event.key]);
    else if (event.key === "Home") next = tops[0];
    else if (event.key === "End") next = tops[tops.length - 1];
    else return;
    event.preventDefault();
    if (next) next[0].focus();
  });

  map.addEventListener("focusin", (event) => {
    for (const [made, node] of tops) {
      made.tabIndex = made === event.target ? 0 : -1;
      if (made === event.target) describe(node);
    }
  });

  let pointed = null;
  const point = (made) => {
    if (pointed === made) return;
    if (pointed) pointed.classList.remove("pointed");
    pointed = made;
    if (made) {
      made.classList.add("pointed");
      describe(nodes.get(made));
    }
  };
  map.addEventListener("pointerover", (event) => point(event.target.closest(".cell")));
  map.addEventListener("pointerleave", () => {
    point(null);
    const current = tops.find(([made]) => made === document.activeElement);
    describe(current ? current[1] : here);
  });

  // A click goes to the directory under the pointer, on a file to the one that it is in.
  map.addEventListener("click", (event) => {
    const made = event.target.closest(".cell");
    if (!made) return;
    const node = nodes.get(made);
    const directory = node.children ? made : made.parentElement.closest(".cell");
    if (!directory) { describe(node); return; }
    const outer = map.getBoundingClientRect();
    const box = directory.getBoundingClientRect();
    pointed = null;
    zoomIn(nodes.get(directory), { x: box.x - outer.x, y: box.y - outer.y, width: box.width, height: box.height }, false);
  });

  const show = (wanted, layer) => {
    view = wanted;
    document.querySelector(`input[value="${view}"]`).checked = true;
    roots[view] = roots[view] || build(view);
    const top = layer === undefined ? roots[view] : roots[view].children.find((child) => child.layer === layer);
    go(top || roots[view], null, layer !== undefined);
  };
  for (const input of document.querySelectorAll('input[name="view"]')) {
    input.addEventListener("change", () => show(input.value));
  }

  // What the tables show in figures, as bars; their numbers lead to the map.

  const parts = (made, sizes, layer) => {
    sizes.forEach((size, fate) => {
      if (!size) return;
      const part = paint(element("i"), layer, fate);
      part.style.flex = `${size} 0 0px`;
      made.append(part);
    });
    return made;
  };

  const decorate = () => {
    const most = Math.max(...data.layers.map((layer) => layer.size), 1);
    const sizes = data.layers.map(() => [0, 0, 0]);
    data.files.size.forEach((size, at) => { sizes[data.files.layer[at]][data.files.fate[at]] += size; });
    data.layers.forEach(({ size, command }, number) => {
      const piece = element("div", "", parts(element("span"), sizes[number], number));
      piece.append(element("small", "", String(number + 1)));
      piece.style.flex = `${Math.max(size, 1)} 0 0px`;
      piece.title = `Layer ${number + 1}, ${bytes(size)}: ${command}`;
      find("strip").append(piece);
      find("ramp").append(paint(element("i"), number, 0));
      const row = document.querySelector(`tr[data-layer="${number}"]`);
      const bar = parts(element("div", "bar"), sizes[number], number);
      bar.style.width = `${(100 * size) / most}%`;
      row.cells[1].append(bar);
      if (!size) return;
      const button = element("button", "", String(number + 1));
      button.type = "button";
      button.setAttribute("aria-label", `Show layer ${number + 1} in the map`);
      button.addEventListener("click", () => {
        show("layers", number);
        map.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
      });
      row.cells[0].replaceChildren(button);
    });
  };

  find("explorer").hidden = false;
  decorate();
  show("all");

  // Another size, the same place, and the focus where it was.
  const redraw = () => {
    const focused = tops.find(([made]) => made === document.activeElement);
    draw(null);
    const again = focused && tops.find(([, node]) => node === focused[1]);
    if (again || (focused && tops.length)) (again || tops[0])[0].focus();
  };

  let waiting = 0;
  let size = `${map.clientWidth} ${map.clientHeight}`;
  new ResizeObserver(() => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => {
      const now = `${map.clientWidth} ${map.clientHeight}`;
      if (now !== size) redraw();
      size = now;
    });
  }).observe(map);
})();
