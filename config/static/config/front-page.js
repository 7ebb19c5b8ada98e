// Renews the sections of the front page without replacing what has not changed, so that focus, selection and scroll stay.
"use strict";

const page = document.querySelector(".front-page");
const every = Number(page.dataset.every) * 1000;
const part = (name) => page.querySelector(`[data-${name}]`);

let timer = 0;
let isPressed = false; // a button or link that moves under the pointer would be another one when it is released

function keyOf(node) {
    return node.nodeType === Node.ELEMENT_NODE ? node.dataset.key : undefined;
}

function isAlike(one, other) {
    return one.nodeType === other.nodeType && one.nodeName === other.nodeName && keyOf(one) === keyOf(other);
}

function copyAttributes(from, to) {
    for (const { name, value } of from.attributes) {
        if (to.getAttribute(name) !== value) to.setAttribute(name, value);
    }
    for (const { name } of [...to.attributes]) {
        // The reader opens and closes details.
        if (!from.hasAttribute(name) && name !== "open") to.removeAttribute(name);
    }
}

/** Makes the children of `to` equal to those of `from`. Rows with the same data-key stay the same elements. */
function renew(to, from) {
    let place = to.firstChild;
    for (const wanted of [...from.childNodes]) {
        const key = keyOf(wanted);
        let found = place;
        while (found && !isAlike(found, wanted)) found = key === undefined ? null : found.nextSibling;
        if (!found) {
            to.insertBefore(wanted, place);
            continue;
        }
        if (found === place) {
            place = place.nextSibling;
        } else {
            // Those before it are moved behind or removed; an element with the focus must not be moved itself.
            while (place !== found) {
                const passed = place;
                place = place.nextSibling;
                to.appendChild(passed);
            }
            place = found.nextSibling;
        }
        if (found.nodeType === Node.ELEMENT_NODE) {
            copyAttributes(wanted, found);
            renew(found, wanted);
        } else if (found.data !== wanted.data) {
            found.data = wanted.data;
        }
    }
    while (place) {
        const rest = place;
        place = place.nextSibling;
        rest.remove();
    }
}

function isSelecting(body) {
    const selection = document.getSelection();
    return !selection.isCollapsed && selection.rangeCount > 0 && selection.getRangeAt(0).intersectsNode(body);
}

function show(html, body) {
    if (isSelecting(body)) return;
    const template = document.createElement("template");
    template.innerHTML = html;
    const hadFocus = body.contains(document.activeElement);
    renew(body, template.content);
    if (hadFocus && !body.contains(document.activeElement)) {
        body.closest("section").querySelector("h2").focus({ preventScroll: true });
    }
}

function report(problem, isLoggedOut = false) {
    page.classList.toggle("is-stale", problem !== "");
    // Only a change is written, because screen readers read each one.
    if (part("problem").textContent !== problem) part("problem").textContent = problem;
    part("log-in").hidden = !isLoggedOut;
}

async function fetchSections() {
    const response = await fetch(page.dataset.address, {
        headers: { Accept: "application/json" },
        redirect: "manual",
        signal: AbortSignal.timeout(every),
    });
    // Without a session, the admin redirects to its login.
    if (response.type === "opaqueredirect" || response.status === 403) {
        report(page.dataset.loggedOut, true);
        return;
    }
    if (!response.ok) throw new Error(`status ${response.status}`);
    const answer = await response.json();
    if (isPressed) return;
    for (const body of page.querySelectorAll("[data-section]")) {
        // Empty while there is nothing to show, and missing if the permission was taken away.
        const html = answer.sections[body.dataset.section] ?? "";
        show(html, body);
        body.closest("section").hidden = html === "";
    }
    part("renewed-at").textContent = answer.renewedAt;
    report("");
}

async function tick() {
    window.clearTimeout(timer);
    if (document.hidden) return;
    try {
        await fetchSections();
    } catch {
        report(page.dataset.offline);
    }
    window.clearTimeout(timer);
    timer = window.setTimeout(tick, every);
}

document.addEventListener("pointerdown", () => (isPressed = true));
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => (isPressed = false));
document.addEventListener("visibilitychange", tick);
window.addEventListener("online", tick);
timer = window.setTimeout(tick, every);
