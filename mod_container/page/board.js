// SPDX-License-Identifier: Apache-2.0
//
// Makes the status page comfortable: it loads the same address again and puts what changed into the
// page that is there, so that focus, selection, scroll position and opened parts stay. Nothing on
// the page needs it. Text is only ever set as text; markup of others is never parsed here: what the
// server sends is parsed as a document of its own, in which nothing runs.
"use strict";

(() => {
    const controls = document.getElementById("controls");
    const interval = Math.max(1000, Number(document.body.dataset.interval) || 1000) * 2;
    let isPaused = false, timer = 0, running = null, failures = 0;

    // ---- putting a new page into the old one ----

    const keyOf = (node) => node.nodeType === 1 ? node.id || node.dataset.key || "" : "";

    // Whether the new node may take the old one's place by changing it.
    const isSame = (old, fresh) => old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName &&
        keyOf(old) === keyOf(fresh);

    // What belongs to the reader, not to the server.
    const isOwn = (node) => node.id === "controls" || node.id === "filter" || node.id === "flash";

    function morphAttributes(old, fresh) {
        for (const { name, value } of fresh.attributes)
            if (old.getAttribute(name) !== value)
                old.setAttribute(name, value);
        for (const { name } of [...old.attributes])
            if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS"))
                old.removeAttribute(name);
    }

    function morphChildren(old, fresh) {
        const keyed = new Map();
        for (const child of old.childNodes)
            if (keyOf(child))
                keyed.set(keyOf(child), child);
        let at = old.firstChild;
        for (const child of [...fresh.childNodes]) {
            const key = keyOf(child);
            let match = key ? keyed.get(key) : at;
            if (match && !key && keyOf(match))
                match = null;
            if (match && isSame(match, child)) {
                if (match !== at)
                    old.insertBefore(match, at);
                else
                    at = at.nextSibling;
                morph(match, child);
            } else {
                old.insertBefore(document.adoptNode(child), at);
            }
        }
        while (at) {
            const next = at.nextSibling;
            if (!isOwn(at))
                at.remove();
            at = next;
        }
    }

    function morph(old, fresh) {
        if (isOwn(old))
            return;
        if (old.nodeType !== 1) {
            if (old.nodeValue !== fresh.nodeValue)
                old.nodeValue = fresh.nodeValue;
            return;
        }
        morphAttributes(old, fresh);
        morphChildren(old, fresh);
    }

    // ---- loading ----

    async function load(isAsked) {
        clearTimeout(timer);
        if (running)
            running.abort();
        const mine = running = new AbortController();
        try {
            const address = new URL(location.href);
            address.searchParams.delete("flash");
            const answer = await fetch(address, { signal: mine.signal, cache: "no-cache", headers: { Accept: "text/html" } });
            if (!answer.ok)
                throw new Error("HTTP " + answer.status);
            const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
            document.title = fresh.title;
            morph(document.body, fresh.body);
            if (isAsked)
                follow(fresh);
            failures = 0;
            say("");
        } catch (error) {
            if (error.name === "AbortError")
                return;
            failures++;
            say("not refreshed: " + error.message);
        }
        running = null;
        plan();
    }

    // After a link the choices of the form are those of the new address.
    function follow(fresh) {
        const form = document.getElementById("filter"), given = fresh.getElementById("filter");
        if (!form || !given)
            return;
        for (const field of given.elements)
            if (field.name && form.elements[field.name] && document.activeElement !== form.elements[field.name])
                form.elements[field.name].value = field.value;
    }

    function plan() {
        clearTimeout(timer);
        if (!isPaused && !document.hidden)
            timer = setTimeout(load, interval * Math.min(2 ** failures, 15));
    }

    function go(address) {
        history.pushState(null, "", address);
        load(true);
    }

    // ---- controls ----

    const note = document.createElement("span");
    note.setAttribute("role", "status");
    const pause = document.createElement("button");
    pause.type = "button";
    pause.id = "pause";
    controls.append(note, pause);

    const say = (text) => { if (note.textContent !== text) note.textContent = text; };

    function setPaused(value) {
        isPaused = value;
        pause.textContent = value ? "Paused: go on" : "Pause";
        pause.setAttribute("aria-pressed", String(value));
        plan();
    }
    pause.addEventListener("click", () => {
        setPaused(!isPaused);
        if (!isPaused)
            load();
    });
    document.addEventListener("visibilitychange", () => document.hidden ? clearTimeout(timer) : isPaused || load());

    // ---- sort, filter, pages ----

    const isPlain = (event) => event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;

    document.addEventListener("click", (event) => {
        const link = event.target.closest && event.target.closest("thead a, .counts a, .pages a, .ranges a");
        if (!link || !isPlain(event) || new URL(link.href).pathname !== location.pathname)
            return;
        event.preventDefault();
        go(link.href);
    });
    addEventListener("popstate", () => load(true));

    const form = document.getElementById("filter");
    if (form) {
        let wait = 0;
        const apply = (isTyping) => {
            const address = new URL(form.action);
            for (const [name, value] of new FormData(form))
                if (value)
                    address.searchParams.set(name, value);
            // A word being typed is one step back, not one a letter.
            history[isTyping ? "replaceState" : "pushState"](null, "", address);
            load(false);
        };
        form.addEventListener("submit", (event) => { event.preventDefault(); apply(false); });
        form.addEventListener("input", (event) => {
            clearTimeout(wait);
            wait = setTimeout(apply, event.target.type === "search" ? 150 : 0, event.target.type === "search");
        });
    }

    // ---- choice of columns, kept in this browser ----

    const table = document.getElementById("containers");
    if (table) {
        const memory = "container-status-columns";
        let chosen = {};
        try { chosen = JSON.parse(localStorage.getItem(memory)) || {}; } catch { /* not ours, or forbidden */ }
        const sheet = new CSSStyleSheet();
        document.adoptedStyleSheets = [sheet];
        const show = () => sheet.replaceSync(Object.entries(chosen)
            .filter(([key]) => /^[a-z0-9]+$/.test(key))
            .map(([key, isShown]) => isShown
                ? `@media (min-width: 861px) { .c-${key} { display: table-cell !important } } @media (max-width: 860px) { td.c-${key}:not(:empty) { display: block !important } }`
                : `.c-${key} { display: none !important }`).join("\n"));
        const choice = document.createElement("details"), title = document.createElement("summary"), list = document.createElement("ul");
        choice.className = "columns";
        title.className = "button";
        title.textContent = "Columns";
        for (const heading of table.tHead.rows[0].cells) {
            const key = heading.className.split(" ")[0].slice(2);
            if (key === "name")
                continue;
            const item = document.createElement("li"), label = document.createElement("label"), box = document.createElement("input");
            box.type = "checkbox";
            box.name = key;
            box.checked = key in chosen ? Boolean(chosen[key]) : getComputedStyle(heading).display !== "none";
            box.addEventListener("change", () => {
                chosen[key] = box.checked;
                try { localStorage.setItem(memory, JSON.stringify(chosen)); } catch { /* for this page only */ }
                show();
            });
            label.append(box, " " + heading.textContent);
            item.append(label);
            list.append(item);
        }
        choice.append(title, list);
        controls.append(choice);
        document.addEventListener("click", (event) => { if (!choice.contains(event.target)) choice.open = false; });
        document.addEventListener("keydown", (event) => { if (event.key === "Escape") choice.open = false; });
        show();
    }

    // The result of an action is told once, not at each reload.
    if (new URLSearchParams(location.search).has("flash")) {
        const address = new URL(location.href);
        address.searchParams.delete("flash");
        history.replaceState(null, "", address);
    }
    setPaused(false);
})();
