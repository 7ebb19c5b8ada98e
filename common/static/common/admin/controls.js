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

// Select2 draws controls of its own, which lack the name of the control that they replace.
function nameSelections() {
    for (const drawn of document.querySelectorAll(".select2-selection")) {
        const label = drawn.closest(".select2-container")?.parentElement.querySelector("select")?.labels?.[0];
        const heading = drawn.closest("div:has(> h3)")?.querySelector("h3");
        const name = label?.textContent.trim() || heading?.textContent.trim();
        if (name) {
            drawn.setAttribute("aria-label", name);
            drawn.removeAttribute("aria-labelledby");
        }
    }
}

window.addEventListener("load", nameSelections);
