// The queue of moderators: keys, the text of the button, drafts of reasons, and who is looking at the ban.
// The page works without this script, too: with forms only.

(() => {
	const POLL = 1000; // milliseconds between two requests that ask who is looking at the ban
	const RENEW = 30_000; // milliseconds after which work on the page renews the claim
	const KEPT = 7 * 24 * 3600 * 1000; // milliseconds that an unsent reason is kept
	const PREFIX = "kumanda-review:";

	const bar = document.querySelector(".rq-bar");
	const page = document.getElementById("review");
	const form = document.getElementById("decision");
	const locks = new Set(); // ids of the notices that are shown and forbid a decision

	// --- drafts: what was typed, by ban, until the verdict is written --------------------------------

	const drafts = {
		key: (ban) => `${PREFIX}${bar.dataset.user}:${ban}`,
		read(ban) {
			try {
				return JSON.parse(localStorage.getItem(this.key(ban)) ?? "null");
			} catch {
				return null;
			}
		},
		write(ban, values) {
			try {
				localStorage.setItem(this.key(ban), JSON.stringify({ ...values, at: Date.now() }));
			} catch {
				// The storage is full or switched off: then there is no draft.
			}
		},
		remove(ban) {
			localStorage.removeItem(this.key(ban));
		},
		removeOld() {
			for (const key of Object.keys(localStorage).filter((name) => name.startsWith(PREFIX))) {
				let at = 0;
				try {
					at = JSON.parse(localStorage.getItem(key)).at;
				} catch {
					// This script did not write it.
				}
				if (!(Date.now() - at < KEPT)) {
					localStorage.removeItem(key);
				}
			}
		},
	};

	function restoreDraft() {
		const draft = drafts.read(page.dataset.ban);
		if (!draft) {
			return;
		}
		const kept = page.querySelector(".rq-kept");
		if (kept && draft.reason) {
			kept.hidden = false;
			kept.querySelector("textarea").value = [draft.reason, draft.message].filter(Boolean).join("\n\n");
		}
		if (!form) {
			return;
		}
		for (const name of ["reason", "message"]) {
			form.elements[name].value ||= draft[name] ?? "";
		}
		const verdict = form.querySelector(`[name="verdict"][value="${CSS.escape(draft.verdict ?? "")}"]`);
		if (verdict && !chosenVerdict()) {
			verdict.checked = true;
		}
	}

	function keepDraft() {
		const [reason, message] = [form.elements.reason.value, form.elements.message.value];
		if (reason.trim() || message.trim()) {
			drafts.write(page.dataset.ban, { reason, message, verdict: chosenVerdict()?.value });
		} else {
			drafts.remove(page.dataset.ban);
		}
	}

	// --- the decision ----------------------------------------------------------------------------------

	let filled = ""; // the reason that a button filled in

	const chosenVerdict = () => form.querySelector('[name="verdict"]:checked');
	const chosenChanges = () => [...form.querySelectorAll('[name="duration"]:checked, [name="kind"]:checked')];
	const presetsOf = (verdict) => [...form.querySelectorAll(`.rq-presets[data-for="${verdict}"] .rq-preset`)];

	function fillReason(text) {
		const field = form.elements.reason;
		const more = filled && field.value.startsWith(filled) ? field.value.slice(filled.length) : field.value;
		field.value = more.trim() ? `${text} ${more.trimStart()}` : text;
		filled = text;
		for (const preset of form.querySelectorAll(".rq-preset")) {
			preset.setAttribute("aria-pressed", String(preset.dataset.text === text));
		}
		keepDraft();
	}

	function chooseVerdict(input) {
		input.checked = true;
		input.focus({ preventScroll: true });
		verdictChosen();
	}

	function verdictChosen() {
		const verdict = chosenVerdict()?.value;
		const texts = presetsOf(verdict).map((preset) => preset.dataset.text);
		const typed = form.elements.reason.value.trim();
		if (texts.length && (!typed || (typed === filled && !texts.includes(typed)))) {
			form.elements.reason.value = "";
			fillReason(texts[0]);
		}
		update();
		keepDraft();
		if (verdict === "changed" && matchMedia("(max-width: 1023.9px)").matches) {
			form.querySelector(".rq-changes").scrollIntoView({ block: "start" });
		}
	}

	let appealIsMine = false; // whether the moderator chose what happens to the appeal

	function changeChosen() {
		const appeal = form.elements.appeal;
		if (appeal && !appealIsMine) {
			appeal.value = chosenChanges().some((change) => "harder" in change.dataset) ? "denied" : "approved";
		}
		update();
	}

	// What the button will do, in words; empty if something has still to be chosen.
	function outcome() {
		const verdict = chosenVerdict();
		if (!verdict) {
			return [false, form.dataset.choose];
		}
		if (verdict.value !== "changed") {
			return [true, verdict.dataset.outcome];
		}
		const changes = chosenChanges();
		if (!changes.length) {
			return [false, form.dataset.chooseChange];
		}
		const appeal = form.querySelector('[name="appeal"]:checked');
		const parts = [...changes, ...(appeal ? [appeal] : [])].map((input) => input.dataset.label);
		return [true, `${form.dataset.change} ${parts.join(", ")}`];
	}

	function update() {
		const verdict = chosenVerdict()?.value;
		for (const part of form.querySelectorAll("[data-for]")) {
			part.classList.toggle("rq-shown", part.dataset.for === verdict);
		}
		const [isReady, text] = outcome();
		const button = document.getElementById("decide");
		button.querySelector("[data-text]").textContent = text;
		button.setAttribute("aria-disabled", String(!isReady || locks.size > 0));
	}

	function decide() {
		if (locks.size > 0) {
			page.querySelector(".rq-notice:not([hidden])")?.scrollIntoView({ block: "center" });
			return;
		}
		if (!outcome()[0]) {
			(chosenVerdict() ? form.querySelector("[data-number]") : form.querySelector('[name="verdict"]')).focus();
			return;
		}
		keepDraft();
		form.requestSubmit();
	}

	function pressNumber(number) {
		const shown = form.querySelector(`.rq-shown [data-number="${number}"]`);
		if (shown?.matches("input")) {
			shown.checked = shown.type === "radio" || !shown.checked;
			changeChosen();
		} else if (shown) {
			fillReason(shown.dataset.text);
		}
	}

	// --- keys ------------------------------------------------------------------------------------------

	function isTyping(target) {
		if (target.isContentEditable || target.matches("textarea, select")) {
			return true;
		}
		return target.matches("input") && !["radio", "checkbox", "button", "submit"].includes(target.type);
	}

	// Unfold's own dialogs take the keys while they are open.
	const isDialogOpen = () =>
		["shortcutsOpen", "openCommandResults", "openModal"].some((name) => window.Alpine?.$data(document.documentElement)?.[name]);

	function onKey(event) {
		const target = event.target instanceof Element ? event.target : document.body;
		if (event.isComposing || event.defaultPrevented || isDialogOpen()) {
			return;
		}
		if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
			if (form && !event.repeat) {
				event.preventDefault();
				decide();
			}
			return;
		}
		if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.repeat || isTyping(target)) {
			return;
		}
		const key = event.key.toLowerCase();
		const verdict = form?.querySelector(`[name="verdict"][data-key="${CSS.escape(key)}"]`);
		if (verdict) {
			chooseVerdict(verdict);
		} else if (form && /^[1-9]$/.test(key)) {
			pressNumber(key);
		} else if (key === "s" && (form || document.getElementById("next"))) {
			form ? document.getElementById("skip").requestSubmit() : document.getElementById("next").click();
		} else if (key === "z" && document.querySelector("[data-undo]")) {
			document.querySelector("[data-undo]").requestSubmit();
		} else {
			return;
		}
		event.preventDefault();
	}

	// --- the claim -------------------------------------------------------------------------------------

	let isLeaving = false; // a form is being sent, after which the script does not release the claim
	let workedAt = Date.now();
	let renewedAt = Date.now();

	function show(id, text) {
		const notice = document.getElementById(id);
		const shown = Boolean(text);
		if (notice.hidden === !shown && (!shown || notice.querySelector("[data-text]")?.textContent === text)) {
			return;
		}
		if (shown && notice.querySelector("[data-text]")) {
			notice.querySelector("[data-text]").textContent = text;
		}
		notice.hidden = !shown;
		shown ? locks.add(id) : locks.delete(id);
		update();
	}

	function claimForm(what) {
		const body = new FormData();
		body.set("do", what);
		body.set("csrfmiddlewaretoken", page.dataset.token);
		return body;
	}

	async function ask() {
		const isWorking = workedAt > renewedAt && Date.now() - renewedAt > RENEW;
		const address = new URL(page.dataset.claim, location.href);
		address.searchParams.set("seen", page.dataset.seen);
		const options = isWorking ? { method: "POST", body: claimForm("renew") } : {};
		const response = await fetch(address, { ...options, headers: { Accept: "application/json" } });
		if (response.redirected || response.status === 403) {
			show("session-over", "yes");
			return;
		}
		if (!response.ok) {
			return;
		}
		const state = await response.json();
		if (isWorking) {
			renewedAt = Date.now();
		}
		show("session-over", "");
		show("changed", state.changed);
		show("holder", state.changed ? "" : state.holder);
	}

	async function poll() {
		if (!document.hidden && !isLeaving) {
			// The server may be unreachable for a moment; the next request follows anyway.
			await ask().catch(() => {});
		}
		setTimeout(poll, POLL);
	}

	function release() {
		if (!isLeaving) {
			navigator.sendBeacon(page.dataset.claim, claimForm("release"));
		}
	}

	// --- start -----------------------------------------------------------------------------------------

	document.addEventListener("keydown", onKey);
	if (bar.dataset.decided) {
		drafts.remove(bar.dataset.decided);
	}
	drafts.removeOld();
	if (!page) {
		return;
	}
	restoreDraft();
	if (!form) {
		return;
	}
	page.classList.add("rq-scripted");
	if (!document.getElementById("holder").hidden) {
		locks.add("holder");
	}
	form.addEventListener("input", keepDraft);
	form.addEventListener("change", (event) => {
		if (event.target.name === "verdict") {
			verdictChosen();
		} else if (event.target.name === "appeal") {
			appealIsMine = true;
			update();
		} else if (["duration", "kind"].includes(event.target.name)) {
			changeChosen();
		}
	});
	form.addEventListener("click", (event) => {
		const preset = event.target.closest(".rq-preset");
		if (preset) {
			fillReason(preset.dataset.text);
		}
	});
	document.getElementById("decide").addEventListener("click", (event) => {
		event.preventDefault();
		decide();
	});
	for (const other of document.querySelectorAll('form[method="post"]')) {
		other.addEventListener("submit", () => {
			isLeaving = true;
		});
	}
	for (const kind of ["keydown", "pointerdown", "input"]) {
		document.addEventListener(kind, () => {
			workedAt = Date.now();
		});
	}
	window.addEventListener("pagehide", release);
	window.addEventListener("pageshow", () => {
		isLeaving = false;
	});
	update();
	setTimeout(poll, POLL);
})();
