"use strict";
(() => {
  // Tables: sort by the header's button, filter by the text of a row.
  const compare = (a, b) => {
    if (a.key === null || b.key === null) {
      return (a.key === null) - (b.key === null) || a.text.localeCompare(b.text, "en", { numeric: true });
    }
    return a.key - b.key;
  };
  const cellAt = (row, column) => {
    const cell = row.cells[column];
    return { key: "k" in cell.dataset ? Number(cell.dataset.k) : null, text: cell.textContent };
  };
  document.querySelectorAll("thead").forEach((head) => {
    const body = head.parentElement.tBodies[0];
    head.querySelectorAll("button").forEach((button) => button.addEventListener("click", () => {
      const header = button.parentElement;
      const up = header.getAttribute("aria-sort") === "descending" || header.getAttribute("aria-sort") === "none" && header.classList.contains("left");
      head.querySelectorAll("[aria-sort]").forEach((other) => other.setAttribute("aria-sort", "none"));
      header.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => ({ row, cell: cellAt(row, header.cellIndex) }));
      rows.sort((a, b) => {
        const order = compare(a.cell, b.cell);
        const empty = (a.cell.key === null) !== (b.cell.key === null);  // what has no number stays below
        return up || empty ? order : -order;
      });
      body.append(...rows.map((each) => each.row));
    }));
    if (body.rows.length > 25) head.closest(".scroll").classList.add("tall");
  });
  document.querySelectorAll("[data-filter]").forEach((input) => {
    const rows = [...document.getElementById(input.dataset.filter).tBodies[0].rows];
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const count = document.querySelector(`[data-count="${input.dataset.filter}"]`);
    const narrow = () => {
      const wanted = input.value.trim().toLowerCase();
      let shown = 0;
      rows.forEach((row, i) => {
        row.hidden = !texts[i].includes(wanted);
        shown += !row.hidden;
      });
      count.textContent = wanted ? `${shown} of ${rows.length} rows` : `${rows.length} rows`;
    };
    input.addEventListener("input", narrow);
    narrow();
  });

  // Scatter plots: the image and the numbers of the nearest dot.
  const galleries = JSON.parse(document.getElementById("points").textContent);
  const tip = document.getElementById("tip");
  const line = (text, tag = "p") => {
    const element = document.createElement(tag);
    element.textContent = text;
    return element;
  };
  document.querySelectorAll(".scatter svg").forEach((plot) => {
    const points = galleries[plot.dataset.gallery];
    const ring = plot.querySelector(".here");
    const dots = [...plot.querySelectorAll(".dots circle")].map((circle) => ({
      i: Number(circle.dataset.i), x: circle.cx.baseVal.value, y: circle.cy.baseVal.value,
    })).sort((a, b) => a.x - b.x || b.y - a.y);
    let at = -1;
    const hide = () => {
      at = -1;
      tip.hidden = true;
      ring.setAttribute("cx", -20);
    };
    const show = (place) => {
      if (place === at && !tip.hidden) return;
      at = place;
      const dot = dots[at];
      ring.setAttribute("cx", dot.x);
      ring.setAttribute("cy", dot.y);
      const parts = [];
      if (dot.i in points.images) {
        const image = document.createElement("img");
        image.src = points.images[dot.i];
        image.alt = "";
        parts.push(image);
      }
      parts.push(line(points.names[dot.i], "strong"), line(`${points.axis} ${points.mos[dot.i]}`));
      for (const [model, scores] of Object.entries(points.scores)) {
        if (scores[dot.i] !== null && model === plot.dataset.model) parts.push(line(`${model} ${scores[dot.i]}`));
      }
      const why = points.whys[dot.i] || points.absent;
      if (why) parts.push(line(why));
      tip.replaceChildren(...parts);
      tip.hidden = false;
      const box = plot.getBoundingClientRect();
      const scale = box.width / plot.viewBox.baseVal.width;
      const x = box.left + dot.x * scale;
      const y = box.top + dot.y * scale;
      const height = tip.offsetHeight || 200;
      const left = x + 14 + 172 > document.documentElement.clientWidth ? x - 14 - 172 : x + 14;
      tip.style.left = `${Math.max(4, left)}px`;
      tip.style.top = `${Math.max(4, Math.min(y - height / 2, window.innerHeight - height - 4))}px`;
    };
    const nearest = (event) => {
      const box = plot.getBoundingClientRect();
      const scale = plot.viewBox.baseVal.width / box.width;
      const x = (event.clientX - box.left) * scale;
      const y = (event.clientY - box.top) * scale;
      let best = -1;
      let least = 18 ** 2;
      dots.forEach((dot, place) => {
        const distance = (dot.x - x) ** 2 + (dot.y - y) ** 2;
        if (distance < least) [best, least] = [place, distance];
      });
      if (best < 0) hide();
      else show(best);
    };
    plot.addEventListener("pointermove", nearest);
    plot.addEventListener("pointerdown", nearest);
    plot.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
    plot.addEventListener("blur", hide);
    plot.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 20, PageDown: -20 };
      if (event.key === "Escape") return hide();
      if (!dots.length || !(event.key in steps || event.key === "Home" || event.key === "End")) return;
      event.preventDefault();
      if (event.key === "Home") show(0);
      else if (event.key === "End") show(dots.length - 1);
      else show(Math.max(0, Math.min(dots.length - 1, at < 0 ? 0 : at + steps[event.key])));
    });
  });
  window.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
})();
