// Two things the pages can do without and are nicer with: files dropped anywhere on the drop zone,
// and job tables that follow the work by themselves until all of it is finished.
"use strict";

const POLL_MS = 1000;
const FIRST_POLL_MS = 250;
const TROUBLE_POLL_MS_MAX = 5000;

// ---- drop zone

function startDropZone(form) {
  const input = form.querySelector("input[type=file]");
  const error = form.querySelector("[role=alert]");
  let depth = 0; // dragenter and dragleave also come from the elements inside

  function complaint(files) {
    const bytesMax = Number(form.dataset.bytesMax);
    const filesMax = Number(form.dataset.filesMax);
    if (files.length > filesMax) {
      return `${files.length} files at once are too many; at most ${filesMax} are taken.`;
    }
    const large = Array.from(files).find((file) => file.size > bytesMax);
    if (large) {
      return `${large.name} is too large: at most ${Math.round(bytesMax / 2 ** 20)} MB are taken.`;
    }
    const empty = Array.from(files).find((file) => file.size === 0);
    return empty ? `${empty.name} is empty: there is nothing to analyse.` : "";
  }

  function accept() {
    const text = complaint(input.files);
    error.textContent = text;
    error.hidden = text === "";
    return text === "";
  }

  form.addEventListener("dragenter", (event) => {
    event.preventDefault();
    depth += 1;
    form.classList.add("over");
  });
  form.addEventListener("dragleave", () => {
    depth -= 1;
    if (depth <= 0) {
      depth = 0;
      form.classList.remove("over");
    }
  });
  form.addEventListener("dragover", (event) => event.preventDefault());
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    form.classList.remove("over");
    if (event.dataTransfer.files.length === 0) {
      return;
    }
    input.files = event.dataTransfer.files;
    if (accept()) {
      form.requestSubmit();
    }
  });
  input.addEventListener("change", accept);
  form.addEventListener("submit", (event) => {
    if (!accept()) {
      event.preventDefault();
      return;
    }
    form.classList.add("sending");
    form.querySelector("button").textContent = "Sending…";
  });
  // Coming back with the back button shows the page as it was left.
  window.addEventListener("pageshow", () => {
    form.classList.remove("sending");
    form.querySelector("button").textContent = "Analyse";
  });
}

// ---- job tables

function setText(row, name, text) {
  const element = row.querySelector(`[data-${name}]`);
  if (element && element.textContent !== text) {
    element.textContent = text;
  }
}

function updateRow(row, job) {
  const cell = row.querySelector("[data-state]");
  const changed = cell.dataset.state !== job.state;
  cell.dataset.state = job.state;
  setText(row, "label", job.label);
  setText(row, "waited", job.waited);
  setText(row, "ran", job.ran);
  setText(row, "worker", job.worker);
  const [wait, run] = row.querySelectorAll("svg.bar rect");
  if (run) {
    wait.setAttribute("width", job.bar.wait);
    run.setAttribute("x", job.bar.wait);
    run.setAttribute("width", job.bar.run);
  }
  if (changed) {
    cell.classList.remove("changed");
    void cell.offsetWidth; // restarts the animation
    cell.classList.add("changed");
  }
  return changed;
}

async function fetchDocument(url) {
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(`${url}: ${response.status}`);
  }
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

async function updateCard(row) {
  const card = document.getElementById(row.dataset.card);
  if (card) {
    card.replaceWith((await fetchDocument(row.dataset.result)).querySelector("article"));
  }
}

function updateTally(region, tally) {
  for (const [state, count] of Object.entries(tally)) {
    setText(region, `count=${state}`, String(count)); // a screen reader hears changes only
  }
}

async function updateRegion(region, state) {
  updateTally(region, state.tally);
  const rows = new Map();
  region.querySelectorAll("[data-job]").forEach((row) => rows.set(row.dataset.job, row));
  const known = (job) => rows.get(String(job.id))?.dataset.run === job.run;
  if (state.jobs.length !== rows.size || !state.jobs.every(known)) {
    // Other jobs than the page has: somebody started some elsewhere.
    const fresh = (await fetchDocument(location.href)).querySelector("[data-jobs] tbody");
    if (fresh && region.querySelector("tbody")) {
      region.querySelector("tbody").replaceWith(fresh);
    }
    return;
  }
  const changed = state.jobs.filter((job) => updateRow(rows.get(String(job.id)), job));
  const cards = changed.map((job) => rows.get(String(job.id))).filter((row) => row.dataset.result);
  await Promise.all(cards.map(updateCard));
}

function followJobs(region) {
  const trouble = region.querySelector("[data-trouble]");
  let pause = POLL_MS;

  async function poll() {
    if (document.hidden) {
      document.addEventListener("visibilitychange", poll, { once: true });
      return;
    }
    let unfinished = 1;
    try {
      const response = await fetch(region.dataset.jobs, { headers: { Accept: "application/json" } });
      if (!response.ok) {
        throw new Error(`status ${response.status}`);
      }
      const state = await response.json();
      await updateRegion(region, state);
      unfinished = state.unfinished;
      region.dataset.unfinished = unfinished;
      trouble.hidden = true;
      pause = POLL_MS;
    } catch {
      trouble.textContent = "The server does not answer. This page keeps asking.";
      trouble.hidden = false;
      pause = Math.min(pause * 1.5, TROUBLE_POLL_MS_MAX);
    }
    if (unfinished > 0) {
      setTimeout(poll, pause);
    }
  }

  if (Number(region.dataset.unfinished) > 0) {
    setTimeout(poll, FIRST_POLL_MS);
  }
}

document.querySelectorAll("[data-drop]").forEach(startDropZone);
document.querySelectorAll("[data-jobs]").forEach(followJobs);
// A file that misses the drop zone must not replace the page.
for (const name of ["dragover", "drop"]) {
  window.addEventListener(name, (event) => event.preventDefault());
}
