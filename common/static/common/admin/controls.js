// Elements that Unfold lets people click get role="button" (common/template_loader.py). Here they get the keys of one.
document.addEventListener("keydown", (event) => {
    const control = event.target;
    if (!(control instanceof Element) || control.getAttribute("role") !== "button" || control.matches("button, a[href]")) {
        return;
    }
    if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        control.click();
    }
});

// Select2 draws controls of its own, at any time, which lack the name of the control that they replace.
function nameSelections() {
    for (const drawn of document.querySelectorAll(".select2-selection:not([aria-label])")) {
        const label = drawn.closest(".select2-container").parentElement?.querySelector("select")?.labels?.[0];
        if (label) {
            drawn.setAttribute("aria-label", label.textContent.trim());
            drawn.removeAttribute("aria-labelledby");
            const text = drawn.querySelector(".select2-selection__rendered"); // the text of the control, and no other one
            text?.removeAttribute("role");
            text?.removeAttribute("aria-readonly");
        }
    }
}

new MutationObserver(nameSelections).observe(document, { childList: true, subtree: true });
